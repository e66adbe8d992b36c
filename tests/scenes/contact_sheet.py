"""One picture of many: contact_sheet.py OUT.png COLUMNS FRAME...

Lays the frames out in rows, left to right, with a thin gap, at half their size.
Needs OpenImageIO's Python module.
"""

import sys

import OpenImageIO as oiio

GAP = 4


def thumbnail(path):
    image = oiio.ImageBuf(path)
    if image.has_error:
        sys.exit(f"contact_sheet: {path}: {image.geterror()}")
    spec = image.spec()
    small = oiio.ImageBufAlgo.resize(
        oiio.ImageBufAlgo.channels(image, (0, 1, 2)),
        roi=oiio.ROI(0, max(1, spec.width // 2), 0, max(1, spec.height // 2), 0, 1, 0, 3))
    return small


def main():
    out, columns, frames = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if not frames:
        sys.exit("contact_sheet: no frames given")
    first = thumbnail(frames[0]).spec()
    wide, high = first.width + GAP, first.height + GAP
    rows = -(-len(frames) // columns)
    sheet = oiio.ImageBuf(oiio.ImageSpec(columns * wide + GAP, rows * high + GAP, 3, "uint8"))
    oiio.ImageBufAlgo.fill(sheet, (0.08, 0.08, 0.09))
    for position, frame in enumerate(frames):
        row, column = divmod(position, columns)
        oiio.ImageBufAlgo.paste(sheet, GAP + column * wide, GAP + row * high, 0, 0,
                                thumbnail(frame))
    if not sheet.write(out):
        sys.exit(f"contact_sheet: {out}: {sheet.geterror()}")


main()
