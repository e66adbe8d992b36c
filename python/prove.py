"""prove - the worker's prover: looks at pictures, proves them, publishes them. Beside Blender.

    PYTHON prove.py --fd N

N is one end of a socketpair (or DBLEND_FD). On it go JSON lines, one object a line, many requests
in flight; answers come in any order and repeat `id`. PYTHON must have OpenImageIO and numpy.

    -> {"do":"hello","id","farm":"<16 hex>","host":H,"pid":P,"start":S}   once, first: whose prover
       this is (start: start time of pid, /proc/PID/stat field 22)
    <- {"id","is":"hello","oiio":"2.4.7"}
    -> {"do":"look","id","claim", FRAME}             looks, changes nothing
    <- {"id","is":"kept","files":[FILE]}             whole, of this version
       {"id","is":"taken","size","mtime_ns","inode"} somebody else's file in progress
       {"id","is":"render"}
    -> {"do":"take","id","claim", FRAME}             looks; temporary files, owner line, placeholder
    <- {"id","is":"mine","path":P,"paths":[P]}       render to `path`; with views Blender makes
       or kept, taken as above                       `paths` of it, in the order of `files`
       {"id","is":"fenced"}                          a higher claim of this farm is there
       ERROR
    -> {"do":"prove","id","claim"}                   Blender has rendered; the claim ends here
    <- {"id","is":"done","files":[FILE],"warnings":[{"code","text","hint"}]}
       or kept, taken, fenced, ERROR                 (then our files are removed)
    -> {"do":"give-up","id","claim"}                 <- {"id","is":"gone"}
    -> {"do":"survey","id","outputs":[OUTPUT],"frames":[first,last,step,...],"digest","stamped",
        "blend_mtime_ns","width","height","known"?}
    <- {"id","is":"survey","same":N,"other":N,"unknown":N,"first":"path or empty"}
    -> {"do":"sweep","id","farm"?,"claim"?,"live"?,"kept"?,"cache_link"?,"outputs":[OUTPUT]}
    <- {"id","is":"swept","warnings":[]}             `claim`: only lower claims' files are dead,
                                                     and of those not the ones in `live`
    -> {"do":"sweep","id","claim","look":[{"frame","files":[FILE]}],"digest"}
    <- {"id","is":"swept","warnings":[],"wrong":[{"frame","code","text"}],"last":N}
                                                     gone, broken or changed; looked at up to
                                                     and with frame N; nothing is removed

FRAME: "files":[{"path","view","width","height"}] final names, `view` the suffix of the view in the
name ("" for one file a frame), size in pixels (0: unknown); "digest": the stamp
`dblend:<digest>:<major.minor>`; "blend_mtime_ns"; "keep": pictures of unknown origin are kept;
"overwrite": nothing is looked at, no placeholder; "sighting": {size,mtime_ns,inode,abandoned} of
the last `taken`; "known": [{path,digest,size,mtime_ns,inode}] the ledger's rows for these names.
FILE: {path,bytes,width,height,view,mtime_ns,inode}. OUTPUT: {view,head,digits,tail} (PROTOCOL 3.4).
ERROR: {"id","is":"error","code","text","hint"}: disk-full, output-unwritable, bad-picture,
no-picture, script-error.

When the socket ends, or on TERM, everything that is not proven is given up, and prove.py leaves.
Looks and takes run in the main thread, proofs in one other, surveys and sweeps in a third.
"""

import argparse
import json
import os
import queue
import select
import signal
import socket
import sys
import threading
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import OpenImageIO as oiio  # noqa: E402 (the path must be set first)

from prove_parts import claims, looking, sweeping, temps  # noqa: E402

_TOUCH_S = 60.0
_FOLDER_END_S = 1.0  # a look over thousands of pictures holds nothing: it may be cut off


class Prover:
    """The claims in our hands and the threads that work on them."""

    def __init__(self, connection):
        self._connection = connection
        self._sending = threading.Lock()
        self._me = None
        self._claims = {}
        self._held = threading.Lock()
        self._proofs = _Line("proofs", self._carry_out)
        self._folders = _Line("folders", self._carry_out)
        self._ending = threading.Event()
        self._verbs = {
            "hello": self._hello,
            "look": self._look,
            "take": self._take,
            "give-up": self._give_up,
            "prove": self._proofs.put,
            "survey": self._folders.put,
            "sweep": self._folders.put,
        }
        self._slow_verbs = {
            "prove": self._prove,
            "survey": sweeping.survey,
            "sweep": self._sweep,
        }

    # -- the talk -------------------------------------------------------------------------------

    def serve(self):
        """Answers until the socket ends or a TERM comes; then gives up what is not proven."""
        self._proofs.start()
        self._folders.start()
        threading.Thread(target=self._touch, name="toucher", daemon=True).start()
        wakeup = _catch_term()
        rest = bytearray()
        while True:
            ready, _, _ = select.select([self._connection, wakeup], [], [])
            if wakeup in ready:
                break
            try:
                more = self._connection.recv(1 << 16)
            except ConnectionError:
                break
            if not more:
                break
            rest += more
            *lines, tail = rest.split(b"\n")
            rest = bytearray(tail)
            for line in lines:
                if line.strip():
                    self._receive(line)
        self._leave()

    def _receive(self, line):
        """Carries out one line."""
        try:
            request = json.loads(line)
            verb = self._verbs[request["do"]]
        except (ValueError, KeyError, TypeError):
            self._send({}, _fault("not a request: %r" % bytes(line[:200])))
            return
        answer = self._guard(verb, request)
        if answer is not None:
            self._send(request, answer)

    def _guard(self, verb, request):
        """A verb's answer; an error answer whatever goes wrong."""
        try:
            if self._me is None and verb != self._hello:
                return _fault("hello must come first")
            return verb(request)
        except OSError as error:
            path = request["files"][0]["path"] if request.get("files") else ""
            return claims.error_answer(error, path)
        except Exception as error:  # the worker must get an answer, or its frame hangs
            traceback.print_exc()
            return _fault("%s: %s" % (type(error).__name__, error))

    def _send(self, request, answer):
        """Sends an answer; when the worker is gone, the main thread notices by itself."""
        answer["id"] = request.get("id")
        data = json.dumps(answer, separators=(",", ":")).encode("ascii") + b"\n"
        with self._sending:
            try:
                self._connection.sendall(data)
            except OSError:
                pass

    # -- main thread ----------------------------------------------------------------------------

    def _hello(self, request):
        self._me = temps.Me(request["farm"], request["host"], request["pid"], request["start"])
        return {"is": "hello", "oiio": oiio.VERSION_STRING}

    def _look(self, request):
        seen = looking.look(request, self._me, request["claim"])
        return looking.verdict(seen, request)

    def _take(self, request):
        claim = claims.Claim(request, self._me)
        with self._held:
            known = self._claims.get(claim.number)
        if known:
            return known.mine()
        answer = claim.take()
        if answer["is"] == "mine":
            with self._held:
                self._claims[claim.number] = claim
        return answer

    def _give_up(self, request):
        claim = self._forget(request["claim"])
        if claim:
            claim.give_up()
        return {"is": "gone"}

    def _forget(self, number):
        with self._held:
            return self._claims.pop(number, None)

    # -- the threads of what takes time ---------------------------------------------------------

    def _carry_out(self, request):
        self._send(request, self._guard(self._slow_verbs[request["do"]], request))

    def _prove(self, request):
        with self._held:
            claim = self._claims.get(request["claim"])
        if claim is None:
            return {"is": "fenced"}  # given up, or of a prover before us, whose descriptor is lost
        answer = claim.prove()
        self._forget(claim.number)
        return answer

    def _sweep(self, request):
        with self._held:
            held = set(self._claims)
        return sweeping.sweep(request, self._me, held)

    # -- the toucher and the end ----------------------------------------------------------------

    def _touch(self):
        """Touches what we hold each minute, so that nobody takes a long frame for abandoned."""
        while not self._ending.wait(_TOUCH_S):
            with self._held:
                held = list(self._claims.values())
            for claim in held:
                try:
                    claim.touch()
                except OSError as error:
                    print("touch: %s" % error, file=sys.stderr)

    def _leave(self):
        """Lets the running proof end, forgets the others, gives up what is held."""
        self._ending.set()
        self._folders.end(_FOLDER_END_S)
        self._proofs.end()
        for claim in list(self._claims.values()):
            claim.give_up()


class _Line:
    """Requests that wait, and the thread that carries them out one after the other."""

    def __init__(self, name, carry_out):
        self._carry_out = carry_out
        self._waiting = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.start = self._thread.start
        self.put = self._waiting.put

    def _work(self):
        while True:
            request = self._waiting.get()
            if request is None:
                return
            self._carry_out(request)

    def end(self, most_s=None):
        """Forgets what waits, and lets what runs come to its end, if that is not too far."""
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        self._waiting.put(None)
        self._thread.join(most_s)


def _fault(text):
    """The answer to something that no worker of ours should do."""
    return {"is": "error", "code": "script-error", "text": text, "hint": "see the worker's log"}


def _catch_term():
    """A descriptor that becomes readable on TERM; INT is the business of our parent."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    for name in ("SIGINT", "SIGBREAK"):  # SIGBREAK: Windows, untested
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    return ours


def main():
    """Reads --fd and serves."""
    parser = argparse.ArgumentParser(description="The worker's prover; talks JSON lines.")
    parser.add_argument("--fd", type=int, default=os.environ.get("DBLEND_FD"),
                        help="number of the inherited socket (default: DBLEND_FD)")
    fd = parser.parse_args().fd
    if fd is None:
        parser.error("--fd is missing")
    connection = socket.socket(fileno=int(fd))
    connection.set_inheritable(False)
    Prover(connection).serve()


if __name__ == "__main__":
    main()
