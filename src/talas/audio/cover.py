"""Cover art, made harmless."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from PIL import JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401  # isort: skip

COVER_PIXELS = 600
"""The longest side of a cover, in pixels."""

_MOST_PIXELS = 40_000_000
_MOST_BYTES = 32 * 1024 * 1024
_READABLE = ("JPEG", "PNG", "WEBP")


def make_cover(picture: bytes) -> bytes | None:
    """`picture` (JPEG, PNG or WebP) as a JPEG of at most 600 x 600 without metadata.

    None where it cannot be read, or has more than 40 megapixels: those are never decoded.
    """
    if len(picture) > _MOST_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(picture), formats=_READABLE) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (COVER_PIXELS, COVER_PIXELS))
            image.thumbnail((COVER_PIXELS, COVER_PIXELS), reducing_gap=2.0)
            return _to_jpeg(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return None


def _to_jpeg(image: Image.Image) -> bytes:
    flat = Image.new("RGB", image.size, "white")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        flat.paste(image, mask=image.getchannel("A"))
    else:
        flat.paste(image.convert("RGB"))
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()
