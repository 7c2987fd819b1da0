"""What becomes of a file that is sent as an app's logo (security.md, case 73)."""

import gzip
import random
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from oauth.apps import logo_reading
from oauth.apps.logo_reading import LogoRefused, read
from tests.conftest import ROOT
from tests.oauth.pictures import chunks, jpeg_of_many_scans, picture, png_head, saved, webp_head

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
KINDS = ("PNG", "JPEG", "WEBP", "GIF")


def opened(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png), formats=["PNG"]).convert("RGBA")


@pytest.mark.parametrize("kind", KINDS)
def test_case_073_every_raster_kind_becomes_a_small_png(kind: str) -> None:
    drawn = opened(read(picture(kind)).png)

    assert drawn.size == (192, 96)
    red, blue = drawn.getpixel((10, 48)), drawn.getpixel((182, 48))
    assert isinstance(red, tuple) and red[0] > 200 > 60 > red[2]
    assert isinstance(blue, tuple) and blue[2] > 200 > 60 > blue[0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_pictures_of_few_colours_and_with_clear_parts_are_taken(mode: str) -> None:
    made = Image.new(mode, (300, 300))
    assert opened(read(saved(made, "JPEG" if mode == "CMYK" else "PNG")).png).size == (192, 192)


def test_clear_parts_stay_clear() -> None:
    assert opened(read(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG")).png).getpixel((4, 4)) == (0, 0, 0, 0)


def test_a_picture_of_many_colours_is_kept_small() -> None:
    many = Image.radial_gradient("L").resize((512, 512))
    colourful = Image.merge("RGB", (many, many.rotate(90), many.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert len(read(saved(colourful, "PNG")).png) < 6_000


def test_a_small_picture_is_not_enlarged() -> None:
    assert opened(read(picture(size=(20, 10))).png).size == (20, 10)


def test_case_073_nothing_but_pixels_is_kept() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "<script>canary</script>")
    exif = Image.Exif()
    exif[0x010E] = "canary"
    sent = picture(pnginfo=words, exif=exif, icc_profile=b"canary" * 30, dpi=(300, 300)) + b"<script>canary</script>"
    assert sent.count(b"canary") == 3, "the profile is packed"

    png = read(sent).png

    assert b"canary" not in png
    assert set(chunks(png)) == {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}


def test_a_photograph_stands_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    drawn = opened(read(picture("JPEG", (200, 100), exif=turned)).png)

    assert drawn.size == (96, 192)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_a_moving_picture_the_first_frame_is_kept(kind: str) -> None:
    frames = [Image.new("RGB", (50, 50), colour) for colour in ("red", "blue", "green")]
    drawn = opened(read(saved(frames[0], kind, save_all=True, append_images=frames[1:])).png)

    pixel = drawn.getpixel((25, 25))
    assert isinstance(pixel, tuple) and pixel[0] > 240 and pixel[2] < 15
    assert getattr(drawn, "n_frames", 1) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"\x89PNG", SVG, gzip.compress(SVG), SVG + b" " * 900_000, b"<html><img src=x>", b"%PDF-1.7",
        b"GIF89a=1;alert(1)//", b"\x89PNG\r\n\x1a\n" + SVG, b"\xff\xd8\xff" + SVG, b"RIFF\0\0\0\0WEBP" + SVG,
        b" " + picture(), picture("BMP"), picture("TIFF"), picture("ICO"), picture("PPM"), picture("AVIF"),
        picture()[:300], picture("GIF")[:30], picture("JPEG")[:200],
    ],
    ids=range(20),
)  # fmt: skip
def test_case_073_all_else_is_refused_with_what_to_send(sent: bytes) -> None:
    with pytest.raises(LogoRefused) as refused:
        read(sent)

    assert refused.value.reason.endswith(
        "Send the logo as a PNG, JPEG, WebP or GIF file of at most 1 MB and 2048 by 2048 pixels."
    )


def test_case_073_a_file_has_one_megabyte_at_most() -> None:
    padding = b"\0" * (logo_reading.MOST_BYTES - len(picture()))

    assert read(picture() + padding)
    with pytest.raises(LogoRefused, match="too large"):
        read(picture() + padding + b"\0")


def test_case_073_pixels_are_counted_before_they_are_unpacked() -> None:
    assert read(picture(size=(2048, 2048)))
    for bomb in (
        picture(size=(2049, 2048)), picture(size=(5_000, 5_000)), picture("GIF", (9_000, 9_000)),
        picture(size=(12_000, 12_000), mode="1"), png_head(60_000, 60_000), webp_head(16_000, 16_000),
    ):  # fmt: skip
        assert len(bomb) < logo_reading.MOST_BYTES
        with pytest.raises(LogoRefused):
            read(bomb)


def test_case_073_bombs_cost_no_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bombs")
    for number, bomb in enumerate((picture(size=(12_000, 12_000), mode="1"), webp_head(16_000, 16_000))):
        (folder / str(number)).write_bytes(bomb)
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _MEASURE, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(told.stdout) < 32 * 1024, "kilobytes"


_MEASURE = """
import pathlib, resource, sys
from oauth.apps import logo_reading
from tests.oauth.pictures import picture
logo_reading.read(picture())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in pathlib.Path(sys.argv[1]).iterdir():
    try:
        logo_reading.read(file.read_bytes())
        sys.exit("was taken")
    except logo_reading.LogoRefused:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_case_073_a_jpeg_of_very_many_scans_is_refused() -> None:
    assert read(jpeg_of_many_scans(2))
    sent = jpeg_of_many_scans(500)
    assert len(sent) < logo_reading.MOST_BYTES
    with pytest.raises(LogoRefused, match="layers"):
        read(sent)


@pytest.mark.parametrize("kind", KINDS)
def test_case_073_a_damaged_file_is_a_logo_or_refused(kind: str) -> None:
    whole, dice, refused = picture(kind, (60, 30)), random.Random(73), 0
    for _ in range(200):
        sent = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            sent[dice.randrange(len(sent))] = dice.randrange(256)
        try:
            assert set(chunks(read(bytes(sent)).png)) == {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}
        except LogoRefused:
            refused += 1
    assert refused > 0
