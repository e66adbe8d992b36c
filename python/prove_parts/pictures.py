"""pictures - reads pictures with OpenImageIO: every pixel of every subimage, size, stamp."""

import os

import numpy
import OpenImageIO as oiio

# By name; other systems than Linux have the second (macOS: untested).
_OPEN_FILES = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_CHUNK_BYTES = 16 << 20  # pixels decoded at a time: a 4K multilayer EXR has gigabytes
_CHUNK_ROWS = 256  # the largest block of rows that EXR compresses together (DWAB)
_COMMENT_BYTES = 4 << 20  # how far into a JPEG we look for the comment
_COMMENT = b"Blender:Note:"
_ENDS = {"jpeg": b"\xff\xd9", "png": b"IEND\xae\x42\x60\x82"}

# One thread a prover: its cores belong to the Blender beside it.
oiio.attribute("threads", 1)
oiio.attribute("exr_threads", 1)

# As they lie in the file: colours times alpha, a power function a pixel, are a fifth of the time
# that a PNG takes, and nobody looks at them.
_AS_STORED = oiio.ImageSpec()
_AS_STORED.attribute("oiio:UnassociatedAlpha", 1)


class BadPicture(Exception):
    """The file is not a whole picture; the text says why."""


class Picture:
    """What was found in a whole picture (or in its header)."""

    def __init__(self, width, height, stamp):
        self.width = width
        self.height = height
        self.stamp = stamp
        self.flat = False
        self.nan = False

    def warnings(self):
        """What a person should look at: [{code, text, hint}]."""
        found = []
        if self.flat:
            found.append({"code": "flat-picture", "text": "every pixel has the same colour",
                          "hint": "check the camera, the lights and the frame range"})
        if self.nan:
            found.append({"code": "nan-picture", "text": "some pixels are not numbers (NaN)",
                          "hint": "check shaders that divide by zero"})
        return found


def read(path, decode=True):
    """Reads a picture. BadPicture unless it is whole; without `decode` only the header is read."""
    if "?" not in path:
        return _read(path, path, decode)
    # OpenImageIO takes what follows a question mark for options.
    with open(path, "rb") as stream:
        return _read(path, "%s/%d" % (_OPEN_FILES, stream.fileno()), decode)


def _read(path, readable, decode):
    """read() of a path by a name that OpenImageIO can open."""
    source = oiio.ImageInput.open(readable, _AS_STORED)
    if source is None:
        raise BadPicture(_first_line(oiio.geterror()) or "not a picture")
    try:
        spec = source.spec()
        picture = Picture(spec.width, spec.height, _stamp(path, source, spec))
        if decode:
            _decode(source, picture)
            _check_end(path, source.format_name())
    finally:
        source.close()
    return picture


def _first_line(text):
    """The first line of an error."""
    return text.strip().splitlines()[0] if text.strip() else ""


def _stamp(path, source, spec):
    """The digest that Blender wrote as stamp note; "" when there is none."""
    if source.format_name() == "jpeg":
        return _jpeg_note(path)
    return spec.get_string_attribute("Note")


def _decode(source, picture):
    """Decodes every pixel of every subimage."""
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        check = _Check()
        for pixels in _chunks(source, spec, index):
            check.add(pixels)
        picture.nan = picture.nan or check.nan
        picture.flat = check.flat if index == 0 else picture.flat and check.flat
        index += 1
    source.geterror()  # the TIFF reader says that there is no further picture in it
    if not index:
        raise BadPicture("no picture in it")


def _chunks(source, spec, index):
    """The pixels of a subimage in its own number format, some rows at a time."""
    if spec.tile_width:
        yield _checked(source, source.read_image(index, 0, 0, spec.nchannels, oiio.UNKNOWN))
        return
    row_bytes = max(1, spec.scanline_bytes(True))
    rows = max(1, _CHUNK_BYTES // row_bytes // _CHUNK_ROWS) * _CHUNK_ROWS
    end = spec.y + spec.height
    for first in range(spec.y, end, rows):
        last = min(first + rows, end)
        yield _checked(source, source.read_scanlines(index, 0, first, last, spec.z, 0,
                                                     spec.nchannels, oiio.UNKNOWN))


def _checked(source, pixels):
    """The pixels, or BadPicture with the reader's own text."""
    if pixels is None or source.has_error:
        raise BadPicture(_first_line(source.geterror()) or "the pixels cannot be read")
    return pixels


class _Check:
    """Looks for pictures of one colour and for NaN, at little cost."""

    def __init__(self):
        self.flat = True
        self.nan = False
        self._first = None

    def add(self, pixels):
        """Looks at some rows: an array (rows, width, channels)."""
        if self._first is None:
            self._first = pixels[0, 0].copy()
        if self.flat:
            # One row in sixteen first: nearly every picture shows there that it is not flat.
            self.flat = bool((pixels[::16] == self._first).all())
            self.flat = self.flat and bool((pixels == self._first).all())
        if not self.nan:
            self.nan = _has_nan(pixels)


def _has_nan(pixels):
    """True when a float array holds a NaN. min() carries NaN on; half floats compare as bits."""
    if pixels.dtype == numpy.float16:
        return bool(pixels.view(numpy.uint16).max() > 0xFC00
                    or pixels.view(numpy.int16).max() > 0x7C00)
    if pixels.dtype.kind == "f":
        return bool(numpy.isnan(pixels.min()))
    return False


def _jpeg_note(path):
    """Blender's note in the comments of a JPEG, which OpenImageIO does not show."""
    with open(path, "rb") as stream:
        data = stream.read(_COMMENT_BYTES)
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        length = int.from_bytes(data[at + 2:at + 4], "big")
        if marker == 0xDA or length < 2:  # the pixels start: no comment after them
            break
        body = data[at + 4:at + 2 + length]
        if marker == 0xFE and body.startswith(_COMMENT):
            return body[len(_COMMENT):].rstrip(b"\0").decode("utf-8", "replace")
        at += 2 + length
    return ""


def _check_end(path, kind):
    """Where OpenImageIO takes a picture that was cut off: looks at the end of the file ourselves.

    It fills up JPEG and Cineon, and needs no more of a PNG than the pixels (tried: 14 formats cut
    at 23 places).
    """
    if kind not in ("jpeg", "png", "cineon"):
        return
    with open(path, "rb", buffering=0) as stream:
        head = stream.read(24)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 64))
        tail = stream.read()
    if kind == "cineon":
        order = "big" if head.startswith(b"\x80\x2a\x5f\xd7") else "little"
        whole = size >= int.from_bytes(head[20:24], order)
    else:
        whole = _ENDS[kind] in tail
    if not whole:
        raise BadPicture("the end of the picture is missing")
