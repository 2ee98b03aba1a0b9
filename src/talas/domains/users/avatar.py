"""Pictures of people: decoded within a pixel cap, made square, stripped, re-encoded."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from talas.core.errors import InvalidData, UnsupportedMedia

SIDE = 512
MAX_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")


def make_avatar(data: bytes) -> bytes:
    """A JPEG of 512 x 512 pixels without metadata, from a JPEG, PNG or WebP.

    Raises UnsupportedMedia for other content, InvalidData for damaged or oversized pictures.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            # The header tells the size before a pixel is decoded.
            if picture.width * picture.height > MAX_PIXELS:
                raise InvalidData(f"The picture must be at most {MAX_PIXELS:,} pixels")
            picture.draft("RGB", (SIDE, SIDE))
            upright = ImageOps.exif_transpose(picture)
            square = ImageOps.fit(_on_white(upright), (SIDE, SIDE), Image.Resampling.LANCZOS)
    except UnidentifiedImageError:
        raise UnsupportedMedia("An avatar must be a JPEG, PNG or WebP picture") from None
    except Image.DecompressionBombError:
        raise InvalidData(f"The picture must be at most {MAX_PIXELS:,} pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError):
        raise InvalidData("The picture is damaged") from None
    out = io.BytesIO()
    square.save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGB", "L", "CMYK") and "transparency" not in picture.info:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
