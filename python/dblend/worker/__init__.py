"""worker - renders frames on one device: `python -m dblend.worker`, dblend-worker's second make.

Written from proto/PROTOCOL.md alone, for systems that the C worker does not run on. It takes the
same options, keeps the same locks and starts the same two programs: autorender.py inside Blender,
prove.py beside it. It renders on cores, or on one NVIDIA card; groups of cards and those of other
makers are the C worker's.

The parts that decide (talk, work, opening, warm) have no socket and no clock: time comes in as
`now_ms`, what they do goes out by calls. The parts that touch the world are loop, child, keeper
and system; what differs between operating systems is in system alone. Tested on Linux; what is
there for macOS and Windows is marked as untested where it stands.
"""
