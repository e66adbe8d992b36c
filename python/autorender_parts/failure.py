"""failure - what went wrong with a job or a frame, in the words that people will read."""

_SHOWN = 3  # names in one line, then "and N more"


class JobError(Exception):
    """An error with a code word (proto/PROTOCOL.md), one line of text and what to do about it.

    `fatal`: it would be the same on every frame of the job.
    """

    def __init__(self, code, text, hint="", fatal=False):
        super().__init__(text)
        self.code = code
        self.text = text
        self.hint = hint
        self.fatal = fatal

    def as_event(self):
        """The `error` event of this failure, without its id."""
        return {
            "event": "error",
            "code": self.code,
            "text": self.text,
            "hint": self.hint,
            "fatal": self.fatal,
        }


def note(code, text, hint=""):
    """A question or a warning: {code, text, hint}."""
    return {"code": code, "text": text, "hint": hint}


def one_line(error):
    """Blender's report or a Python exception as one line, without its `Error:` prefixes."""
    parts = [line.strip() for line in str(error).splitlines() if line.strip()]
    parts = [part[len("Error:"):].strip() if part.startswith("Error:") else part for part in parts]
    return "; ".join(dict.fromkeys(parts)) or type(error).__name__


def listed(names):
    """Names for people: the first few, then how many more."""
    names = list(dict.fromkeys(names))
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (" and %d more" % more if more > 0 else "")
