"""Pictures and folders of pictures compared, pixel by pixel."""

import pathlib

import numpy
import OpenImageIO as oiio


def pixels(path):
    """Every subimage of a picture as arrays; fails when a single pixel cannot be read."""
    layers = []
    image = oiio.ImageInput.open(str(path))
    assert image, f"{path}: {oiio.geterror()}"
    try:
        while image.seek_subimage(len(layers), 0):
            read = image.read_image(len(layers), 0, 0, image.spec().nchannels, oiio.FLOAT)
            assert read is not None, f"{path}: {image.geterror()}"
            layers.append(numpy.nan_to_num(read))
    finally:
        image.close()
    return layers


def same_pixels(one, other):
    first, second = pixels(one), pixels(other)
    return len(first) == len(second) and all(
        a.shape == b.shape and numpy.array_equal(a, b) for a, b in zip(first, second))


def files_under(folder):
    """Relative names of all files below folder, hidden ones included."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return set()
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if path.is_file() or path.is_symlink()}


def assert_same_frames(ours, plain):
    """The same names in both folders, nothing else, and the same pixels under each."""
    names, wanted = files_under(ours), files_under(plain)
    assert names == wanted
    assert wanted, f"plain Blender left nothing in {plain}"
    different = sorted(name for name in names
                       if not same_pixels(pathlib.Path(ours) / name, pathlib.Path(plain) / name))
    assert not different
