"""progress - the status lines of a frame, where Blender does not print them itself.

Up to 4.5 a background Blender prints `Fra:1 Mem:9M | Time:00:01 | Sample 1/4` for each step. 5.0
gives them to its log, in another form, and the module bpy logs none: nobody would see how far a
frame is, nor read Cycles' own words about the card's memory. Its handlers still get them.
"""

import bpy

_LOGGED_SINCE = (5, 0)
_frame = 0


def start():
    """From now on every step of a frame is a line; called once."""
    if bpy.app.version >= _LOGGED_SINCE:
        bpy.app.handlers.render_stats.append(_tell)


def begin(frame):
    """The frame that the next lines are about."""
    global _frame
    _frame = frame


@bpy.app.handlers.persistent  # opening a file takes away all others
def _tell(text, *_):
    """Called by Blender, on whatever thread renders."""
    print("Fra:%d %s" % (_frame, text), flush=True)
