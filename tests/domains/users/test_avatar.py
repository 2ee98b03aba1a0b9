"""Avatars: what is taken, what is served, and what it costs."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image, ImageCms
from tests.builders.users import Account, create_user, login
from tests.raw_http import exchange
from tests.servers import ApiProcess, api_process

from talas.core.errors import InvalidData, UnsupportedMedia
from talas.domains.users.avatar import encode_avatar

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def picture(
    mode: str = "RGB",
    size: tuple[int, int] = (64, 64),
    color: float | tuple[float, ...] = RED,
    *,
    form: str = "PNG",
    **options: object,
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, form, **options)
    return out.getvalue()


def decoded(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (512, 512))
    return image


def is_near(image: Image.Image, point: tuple[int, int], color: tuple[int, int, int]) -> bool:
    pixel = image.getpixel(point)
    assert isinstance(pixel, tuple)
    return all(abs(a - b) < 40 for a, b in zip(pixel, color, strict=True))


def halves(size: tuple[int, int] = (80, 80)) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, size[1] // 2, size[0], size[1]))
    return image


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb_png(side: int) -> bytes:
    """``side`` x ``side`` pixels of nothing, in less than a megabyte."""
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    rows = zlib.compressobj(1)
    row = b"\0" * (side * 4 + 1)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


class TestWhatIsMade:
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
    def test_the_three_formats(self, form: str) -> None:
        assert is_near(decoded(encode_avatar(picture(form=form))), (256, 256), RED)

    @pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (2000, 30), (3000, 2000)])
    def test_any_shape_becomes_a_square(self, size: tuple[int, int]) -> None:
        decoded(encode_avatar(picture(size=size)))

    def test_it_is_cut_around_the_middle_not_squeezed(self) -> None:
        image = Image.new("RGB", (300, 100), BLUE)
        image.paste(RED, (100, 0, 200, 100))
        result = decoded(encode_avatar(saved(image, "PNG")))
        assert all(is_near(result, point, RED) for point in ((10, 256), (256, 256), (500, 256)))

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("side", [80, 3000])
    def test_it_stands_as_the_camera_was_held(self, orientation: int, side: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        result = decoded(encode_avatar(saved(halves((side, side)), "JPEG", exif=exif)))
        red_at = {1: "top", 2: "top", 3: "bottom", 4: "bottom", 5: "left", 6: "right"}
        points = {"top": (256, 60), "bottom": (256, 450), "left": (60, 256), "right": (450, 256)}
        place = red_at.get(orientation, {7: "right", 8: "left"}.get(orientation, ""))
        assert is_near(result, points[place], RED)

    def test_nothing_is_left_of_what_the_file_said(self) -> None:
        exif = Image.Exif()
        exif[0x010F] = "CanaryCamera"
        exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
        exif.get_ifd(0x8825)[29] = "2024:CANARY"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        given = saved(
            halves(), "JPEG", exif=exif, icc_profile=profile, comment=b"canary", dpi=(300, 300)
        )
        assert b"CanaryCamera" in given
        assert b"Exif" in given
        jpeg = encode_avatar(given)
        for trace in (b"Canary", b"CANARY", b"canary", b"Exif", b"ICC_PROFILE", b"http"):
            assert trace not in jpeg
        assert not decoded(jpeg).getexif()

    @pytest.mark.parametrize(
        "data",
        [
            picture("CMYK", color=(0, 255, 255, 0), form="JPEG"),
            picture("RGBA", color=(*RED, 255)),
            picture("P", color=0, transparency=5),
            picture("LA", color=(200, 255)),
            picture("L", color=200),
            picture("1", color=1),
            picture("RGB", form="JPEG", progressive=True, size=(2000, 2000)),
            picture("RGB", form="WEBP", lossless=True),
        ],
    )
    def test_any_kind_of_pixel(self, data: bytes) -> None:
        decoded(encode_avatar(data))

    def test_cmyk_keeps_its_colour(self) -> None:
        data = picture("CMYK", color=(0, 255, 255, 0), form="JPEG")
        assert is_near(decoded(encode_avatar(data)), (256, 256), (237, 28, 36)) or is_near(
            decoded(encode_avatar(data)), (256, 256), RED
        )

    @pytest.mark.parametrize(("value", "grey"), [(0, 0), (32_768, 128), (65_535, 255)])
    def test_sixteen_bits_are_scaled_not_cut(self, value: int, grey: int) -> None:
        result = decoded(encode_avatar(picture("I;16", color=value)))
        assert is_near(result, (256, 256), (grey, grey, grey))

    def test_what_is_transparent_becomes_white(self) -> None:
        clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        palette = Image.new("P", (64, 64), 0)
        palette.putpalette([0, 0, 0, 255, 0, 0])
        for data in (saved(clear, "PNG"), saved(palette, "PNG", transparency=0)):
            assert is_near(decoded(encode_avatar(data)), (256, 256), WHITE)
        half = picture("RGBA", color=(255, 0, 0, 128))
        assert is_near(decoded(encode_avatar(half)), (256, 256), (255, 127, 127))

    @pytest.mark.parametrize("form", ["PNG", "WEBP"])
    def test_of_an_animation_the_first_picture_is_taken(self, form: str) -> None:
        frames = [Image.new("RGB", (64, 64), color) for color in (RED, GREEN, BLUE)]
        data = saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
        assert is_near(decoded(encode_avatar(data)), (256, 256), RED)


OTHER_CONTENT = {
    "GIF": picture(form="GIF"),
    "BMP": picture(form="BMP"),
    "TIFF": picture(form="TIFF"),
    "ICO": picture(form="ICO"),
    "PPM": picture(form="PPM"),
    "PDF": picture(form="PDF"),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "text": b"hello",
    "zeros": bytes(1000),
    "HTML after a JPEG's first bytes": b"\xff\xd8\xff<script>alert(1)</script>",
}
DAMAGED = {
    "PNG cut off": picture(size=(300, 300))[:200],
    "JPEG cut off": saved(halves((600, 600)), "JPEG")[:3000],
    "WebP cut off": saved(halves((600, 600)), "WEBP")[:200],
}


@pytest.mark.parametrize("data", [*OTHER_CONTENT.values(), b""], ids=[*OTHER_CONTENT, "empty"])
def test_other_content_is_no_avatar(data: bytes) -> None:
    with pytest.raises((UnsupportedMedia, InvalidData)):
        encode_avatar(data)


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_picture_says_so(data: bytes) -> None:
    with pytest.raises(InvalidData, match="damaged"):
        encode_avatar(data)


def put(api: ApiProcess, user: Account, data: bytes, **arguments: object) -> httpx.Response:
    return api.client.put("/users/me/avatar", content=data, token=user.token, **arguments)


@pytest.fixture
def user(api: ApiProcess) -> Account:
    return create_user(api)


def test_a_bare_body_is_taken_and_served(api: ApiProcess, user: Account) -> None:
    answer = put(api, user, picture(), headers=[("Content-Type", "image/png")])
    assert answer.status_code == 200
    url = answer.json()["data"]["avatar"]
    assert url == f"/uploads/avatars/{user.id}.jpg"
    assert api.client.get("/users/me", token=user.token).json()["data"]["avatar"] == url
    assert is_near(decoded(api.client.get(url, token=user.token).content), (256, 256), RED)


@pytest.mark.parametrize("field", ["file", "avatar"])
def test_a_form_is_taken(api: ApiProcess, user: Account, field: str) -> None:
    """Whatever its name says and its type claims."""
    files = {"note": (None, b"hello"), field: ("../../evil.html", picture(), "text/html")}
    answer = api.client.put("/users/me/avatar", files=files, token=user.token)
    assert answer.status_code == 200


def test_a_form_without_the_field(api: ApiProcess, user: Account) -> None:
    answer = api.client.put("/users/me/avatar", files={"other": picture()}, token=user.token)
    assert answer.status_code == 400


@pytest.mark.parametrize("name", OTHER_CONTENT)
def test_other_content_is_415(api: ApiProcess, user: Account, name: str) -> None:
    data = OTHER_CONTENT[name]
    headers = [("Content-Type", "image/jpeg")]
    assert put(api, user, data, headers=headers).status_code == 415
    files = {"file": ("me.jpg", data, "image/jpeg")}
    assert api.client.put("/users/me/avatar", files=files, token=user.token).status_code == 415
    assert api.client.get("/users/me", token=user.token).json()["data"]["avatar"] is None


@pytest.mark.parametrize("data", [*DAMAGED.values(), b""], ids=[*DAMAGED, "empty"])
def test_damaged_is_400(api: ApiProcess, user: Account, data: bytes) -> None:
    assert put(api, user, data).status_code == 400


def test_a_bomb_is_refused_by_its_head(api: ApiProcess, user: Account) -> None:
    """36 megapixels would be 144 MB."""
    bomb = bomb_png(6_000)
    assert len(bomb) < 2_000_000
    process = psutil.Process(api.process.pid)
    before = process.memory_info().rss
    for _ in range(3):
        answer = put(api, user, bomb)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_data")
        assert "pixels" in answer.json()["error"]
    assert process.memory_info().rss - before < 64 * 2**20


def test_it_is_served_with_care(api: ApiProcess, user: Account) -> None:
    put(api, user, picture())
    url = f"/uploads/avatars/{user.id}.jpg"
    reader = create_user(api)
    media = api.client.post("/auth/media-token", token=reader.token).json()["data"]["token"]
    got = api.client.get(f"{url}?token={media}")
    assert got.status_code == 200
    assert got.headers["content-type"] == "image/jpeg"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, no-cache"
    assert "sandbox" in got.headers["content-security-policy"]
    head = api.client.request("HEAD", f"{url}?token={media}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    tag = [("If-None-Match", got.headers["etag"])]
    assert api.client.get(url, token=reader.token, headers=tag).status_code == 304
    part = api.client.get(url, token=reader.token, headers=[("Range", "bytes=0-1")])
    assert (part.status_code, part.content) == (206, b"\xff\xd8")
    put(api, user, picture(color=BLUE))
    changed = api.client.get(url, token=reader.token, headers=tag)
    assert changed.status_code == 200
    assert is_near(decoded(changed.content), (256, 256), BLUE)


@pytest.mark.parametrize(
    "name", ["{id}", "{id}.png", "0{id}.jpg", "-1.jpg", ".jpg", "{id}.jpg.jpg", "99999999999.jpg"]
)
def test_other_names_are_not_there(api: ApiProcess, user: Account, name: str) -> None:
    put(api, user, picture())
    path = f"/uploads/avatars/{name.replace('{id}', str(user.id))}"
    assert api.client.get(path, token=user.token).status_code == 404


def test_a_removed_avatar_is_gone(api: ApiProcess, user: Account) -> None:
    put(api, user, picture())
    stored = [*(api.data_dir / "uploads" / "avatars").glob(f"{user.id}.jpg")]
    assert len(stored) == 1
    for _ in range(2):
        assert api.client.delete("/users/me/avatar", token=user.token).status_code == 200
    assert api.client.get("/users/me", token=user.token).json()["data"]["avatar"] is None
    answer = api.client.get(f"/uploads/avatars/{user.id}.jpg", token=user.token)
    assert answer.status_code == 404
    assert not stored[0].exists()


class TestTheSizeLimit:
    LIMIT = 20_000

    @pytest.fixture(scope="class")
    @classmethod
    def small(
        cls, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[ApiProcess]:
        folder: Path = tmp_path_factory.mktemp("small")
        with api_process(module_database_url, folder, MAX_AVATAR_SIZE=str(cls.LIMIT)) as process:
            yield process

    def padded(self, size: int) -> bytes:
        """A picture of exactly so many bytes: a PNG may carry what nobody reads."""
        plain = picture()
        end = len(plain) - 12
        padding = png_chunk(b"prVt", bytes(size - len(plain) - 12))
        return plain[:end] + padding + plain[end:]

    def test_the_largest_and_one_byte_more(self, small: ApiProcess) -> None:
        user = create_user(small, username="sized")
        for extra, status in ((0, 200), (1, 413)):
            data = self.padded(self.LIMIT + extra)
            assert len(data) == self.LIMIT + extra
            assert put(small, user, data).status_code == status
            files = {"file": ("me.png", data)}
            form = small.client.put("/users/me/avatar", files=files, token=user.token)
            assert form.status_code == status

    def test_what_is_announced_too_large_is_not_read(self, small: ApiProcess) -> None:
        token = login(small.client, email=create_user(small).email)["access_token"]
        for kind in ("image/png", "multipart/form-data; boundary=x"):
            answer = exchange(
                small.address,
                b"PUT /api/v1/users/me/avatar HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + f"Authorization: Bearer {token}\r\nContent-Type: {kind}\r\n".encode()
                + b"Content-Length: 1000000000\r\n\r\nx",
            )
            assert answer.status == 413

    def test_what_is_not_announced_is_not_read_to_its_end(self, small: ApiProcess) -> None:
        token = login(small.client, email=create_user(small).email)["access_token"]
        answer = exchange(
            small.address,
            b"PUT /api/v1/users/me/avatar HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            + f"Authorization: Bearer {token}\r\n".encode()
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"2000\r\n" + bytes(0x2000) + b"\r\n") * 3,
        )
        assert answer.status == 413
