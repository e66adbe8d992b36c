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


def same_pixels(one, other, slack=0.0):
    """Equal pixels; with a slack one in a hundred values may differ, by so much at most."""
    first, second = pixels(one), pixels(other)
    if len(first) != len(second) or any(a.shape != b.shape for a, b in zip(first, second)):
        return False
    return all(numpy.array_equal(a, b) or slack > 0 and near(a, b, slack)
               for a, b in zip(first, second))


def near(one, other, slack):
    difference = numpy.abs(one - other)
    return difference.max() <= slack and numpy.count_nonzero(difference) <= difference.size / 100


def files_under(folder):
    """Relative names of all files below folder, hidden ones included."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return set()
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if path.is_file() or path.is_symlink()}


def assert_same_frames(ours, plain, slack=0.0):
    """The same names in both folders, nothing else, and the same pixels under each."""
    names, wanted = files_under(ours), files_under(plain)
    assert names == wanted
    assert wanted, f"plain Blender left nothing in {plain}"
    ours, plain = pathlib.Path(ours), pathlib.Path(plain)
    different = sorted(name for name in names if not same_pixels(ours / name, plain / name, slack))
    assert not different
