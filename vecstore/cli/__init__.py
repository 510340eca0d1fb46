"""The command `vecstore`: its options and output. What the commands do is below, in the package.

root.py          the command itself, with one way out for errors
options.py       options that several commands have, and how many of them become one object

embed.py         `embed`; content.py: what one command embeds
embed_multi.py   `embed-multi`, which loads many entries; dry_run.py: what it would do
similar.py       `similar`
collections.py   `collections`; transfer.py: its `export` and `import`
embed_models.py  `embed-models`
index.py         `index`
maintenance.py   `check`, `compact` and `backup`
shell.py         `shell` and `extension-path`

databases.py     opens the file that a command is about
model_choice.py  which model a command embeds with

input_options.py    what `embed-multi` reads; row_options.py: how a file of rows is written
load_options.py     how it embeds, and where entries go
sources.py          opens what is read; row_files.py: of that, a file or pipe of rows
failures.py         what is left out
progress.py         how far it has come
load_interrupts.py  what ^C does to it
"""

from .root import ErrorsInOneLine, cli, main

__all__ = ["ErrorsInOneLine", "cli", "main"]
