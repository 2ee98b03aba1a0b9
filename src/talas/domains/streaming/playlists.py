"""Playlists of HTTP Live Streaming (RFC 8216, version 7), from what is known of a track alone."""

from talas.audio.renditions import (
    TARGET_SECONDS,
    Rendition,
    TrackAudio,
    renditions_of,
    segment_count,
    segment_seconds,
)

MEDIA_TYPE = "application/vnd.apple.mpegurl"
_FIRST_BITRATE = 128_000


def master_playlist(audio: TrackAudio, *, lossless: bool, query: str) -> str:
    """The AAC renditions, and with ``lossless`` the FLAC one. ``query`` follows every address,
    with its question mark."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    offered = [one for one in renditions_of(audio) if one.codec == "aac" or lossless]
    # What stands first is what most players begin with.
    offered.sort(key=lambda one: one.bitrate != _FIRST_BITRATE)
    for rendition in offered:
        lines += [_stream_info(rendition), f"{rendition.name}/index.m3u8{query}"]
    return "\n".join([*lines, ""])


def media_playlist(audio: TrackAudio, *, query: str) -> str:
    """All segments of any of its renditions: they are cut alike."""
    last = segment_count(audio.samples, audio.sample_rate) - 1
    head = (
        "#EXTM3U\n#EXT-X-VERSION:7\n"
        f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        f'#EXT-X-MAP:URI="init.mp4{query}"\n'
    )
    whole = f"#EXTINF:{segment_seconds(0, audio.samples, audio.sample_rate):.6f},\n"
    # Of twelve hours there are ten thousand, all of one length but the last.
    segments = "".join([f"{whole}{number}.m4s{query}\n" for number in range(last)])
    rest = segment_seconds(last, audio.samples, audio.sample_rate)
    return f"{head}{segments}#EXTINF:{rest:.6f},\n{last}.m4s{query}\n#EXT-X-ENDLIST\n"


def _stream_info(rendition: Rendition) -> str:
    average = f"AVERAGE-BANDWIDTH={rendition.bitrate}," if rendition.bitrate else ""
    return f'#EXT-X-STREAM-INF:BANDWIDTH={rendition.bandwidth},{average}CODECS="{rendition.codecs}"'
