"""Tracks as messages, and requests as what the domains take."""

from msgspec import UNSET

from talas.audio.dat import HEADER_BYTES, MOST_POINTS, read_header
from talas.core.errors import FieldError, InvalidData
from talas.domains.streaming.transcodes import Wanted, read_wanted
from talas.domains.tracks.schemas import Track
from talas.v1 import audio_stream_pb2 as pb

MAX_OFFSET = 2**62
MAX_START_MS = 12 * 3600 * 1000


def as_message(track: Track) -> pb.Track:
    """What is not known is left out."""
    return pb.Track(
        id=track.id,
        user_id=track.user_id,
        title=track.title,
        artist=track.artist,
        description=track.description,
        visibility=track.visibility,
        status=track.status,
        error=None if track.error is UNSET else track.error,
        license=track.license,
        tags=track.tags,
        format=track.format,
        size=track.size,
        duration_ms=track.duration_ms,
        bitrate=track.bitrate,
        sample_rate=track.sample_rate,
        channels=track.channels,
        loudness_lufs=track.loudness_lufs,
        peak_dbtp=track.peak_dbtp,
        bpm=track.bpm,
        key=track.key,
        plays=track.plays,
        likes=track.likes,
        liked=track.liked,
        created_at=track.created_at,
        updated_at=track.updated_at,
    )


def as_peaks(dat: bytes) -> pb.Peaks:
    header = read_header(dat)
    return pb.Peaks(
        sample_rate=header.sample_rate,
        samples_per_pixel=header.samples_per_pixel,
        length=header.length,
        data=dat[HEADER_BYTES:],
    )


def read_stream_request(request: pb.StreamRequest) -> Wanted | None:
    """None where the original is asked for. Raises InvalidData."""
    _check_within("offset", request.offset, MAX_OFFSET)
    _check_within("start_ms", request.start_ms, MAX_START_MS)
    query = {"format": request.format} if request.format else {}
    if request.bitrate:
        query["bitrate"] = str(request.bitrate)
    if request.start_ms:
        query["start"] = f"{request.start_ms / 1000:.3f}"
    if request.HasField("loudness"):
        query["loudness"] = str(request.loudness)
    return read_wanted(query)


def read_points(request: pb.WaveformRequest) -> int:
    """Raises InvalidData."""
    _check_within("points", request.points, MOST_POINTS)
    return request.points or MOST_POINTS


def _check_within(field: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        sentence = f"{field} must be a whole number between 0 and {most}"
        raise InvalidData.of(FieldError(field, sentence))
