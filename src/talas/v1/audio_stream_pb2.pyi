import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetTrackRequest(_message.Message):
    __slots__ = ("track_id",)
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    track_id: int
    def __init__(self, track_id: _Optional[int] = ...) -> None: ...

class StreamRequest(_message.Message):
    __slots__ = ("track_id", "format", "bitrate", "start_ms", "loudness", "offset")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BITRATE_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    LOUDNESS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    track_id: int
    format: str
    bitrate: int
    start_ms: int
    loudness: float
    offset: int
    def __init__(self, track_id: _Optional[int] = ..., format: _Optional[str] = ..., bitrate: _Optional[int] = ..., start_ms: _Optional[int] = ..., loudness: _Optional[float] = ..., offset: _Optional[int] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("data", "info")
    DATA_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    info: StreamInfo
    def __init__(self, data: _Optional[bytes] = ..., info: _Optional[_Union[StreamInfo, _Mapping]] = ...) -> None: ...

class StreamInfo(_message.Message):
    __slots__ = ("media_type", "size", "etag")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    size: int
    etag: str
    def __init__(self, media_type: _Optional[str] = ..., size: _Optional[int] = ..., etag: _Optional[str] = ...) -> None: ...

class WaveformRequest(_message.Message):
    __slots__ = ("track_id", "points")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    track_id: int
    points: int
    def __init__(self, track_id: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...

class Peaks(_message.Message):
    __slots__ = ("sample_rate", "samples_per_pixel", "length", "data")
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PER_PIXEL_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    samples_per_pixel: int
    length: int
    data: bytes
    def __init__(self, sample_rate: _Optional[int] = ..., samples_per_pixel: _Optional[int] = ..., length: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Track(_message.Message):
    __slots__ = ("id", "user_id", "title", "artist", "description", "visibility", "status", "error", "license", "tags", "format", "size", "duration_ms", "bitrate", "sample_rate", "channels", "loudness_lufs", "peak_dbtp", "bpm", "key", "plays", "likes", "liked", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    BITRATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    LOUDNESS_LUFS_FIELD_NUMBER: _ClassVar[int]
    PEAK_DBTP_FIELD_NUMBER: _ClassVar[int]
    BPM_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PLAYS_FIELD_NUMBER: _ClassVar[int]
    LIKES_FIELD_NUMBER: _ClassVar[int]
    LIKED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    user_id: int
    title: str
    artist: str
    description: str
    visibility: str
    status: str
    error: str
    license: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    format: str
    size: int
    duration_ms: int
    bitrate: int
    sample_rate: int
    channels: int
    loudness_lufs: float
    peak_dbtp: float
    bpm: float
    key: str
    plays: int
    likes: int
    liked: bool
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[int] = ..., user_id: _Optional[int] = ..., title: _Optional[str] = ..., artist: _Optional[str] = ..., description: _Optional[str] = ..., visibility: _Optional[str] = ..., status: _Optional[str] = ..., error: _Optional[str] = ..., license: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., format: _Optional[str] = ..., size: _Optional[int] = ..., duration_ms: _Optional[int] = ..., bitrate: _Optional[int] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., loudness_lufs: _Optional[float] = ..., peak_dbtp: _Optional[float] = ..., bpm: _Optional[float] = ..., key: _Optional[str] = ..., plays: _Optional[int] = ..., likes: _Optional[int] = ..., liked: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
