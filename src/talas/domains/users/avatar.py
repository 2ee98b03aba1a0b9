"""Pictures of people: decoded within a pixel cap, made square, stripped, re-encoded."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageOps, UnidentifiedImageError

from talas.core.errors import InvalidData, UnsupportedMedia

SIDE = 512
# A JPEG is decoded straight to a fraction of its size, the others are whole in memory once.
MAX_PIXELS = {"JPEG": 50_000_000, "MPO": 50_000_000, "PNG": 25_000_000, "WEBP": 25_000_000}
_FORMATS = ("JPEG", "PNG", "WEBP")
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, MemoryError)
# One at a time: what a decoded picture takes is taken once.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="avatar")


async def make_avatar(data: bytes) -> bytes:
    """A JPEG of 512 x 512 pixels without metadata, from a JPEG, PNG or WebP.

    Raises UnsupportedMedia for other content, InvalidData for damaged or oversized pictures.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread, encode_avatar, data)


def encode_avatar(data: bytes) -> bytes:
    """As make_avatar, in the calling thread."""
    if not data:
        raise InvalidData("The picture is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            # The header tells the size before a pixel is decoded.
            if picture.width * picture.height > MAX_PIXELS[picture.format or ""]:
                raise _too_many_pixels()
            square = _squared(picture)
    except UnidentifiedImageError:
        raise UnsupportedMedia("An avatar must be a JPEG, PNG or WebP picture") from None
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except _DAMAGED:
        raise InvalidData("The picture is damaged") from None
    # Pillow hands on what a file said of itself, comments for one.
    square.info.clear()
    out = io.BytesIO()
    square.save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue()


def _too_many_pixels() -> InvalidData:
    return InvalidData(
        f"The picture must be at most {MAX_PIXELS['PNG']:,} pixels, "
        f"as a JPEG {MAX_PIXELS['JPEG']:,}"
    )


def _squared(picture: Image.Image) -> Image.Image:
    picture.draft("RGB", (SIDE, SIDE))
    upright: Image.Image = ImageOps.exif_transpose(picture)
    excess = min(upright.size) // (2 * SIDE)
    # What comes after works on copies: of a small picture they are small.
    small = upright.reduce(excess) if excess > 1 and upright.mode not in ("P", "1") else upright
    return ImageOps.fit(_on_white(small), (SIDE, SIDE), Image.Resampling.LANCZOS)


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        # 16 bits a pixel; Pillow would cut off what lies above 255 instead of scaling it.
        return picture.point(lambda value: value / 256, "L").convert("RGB")
    if picture.mode in ("RGB", "L", "CMYK") and "transparency" not in picture.info:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
