"""How a run ends before it is done: by a signal, a limit or an error; what is kept then, and how it goes on."""
