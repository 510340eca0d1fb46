"""The command `vecstore`: options, output and errors. What a command does is done below it.

    root             the command itself, with one way out for errors
    embed            `embed`
    embed_multi      `embed-multi`; dry_run: what it would do
    sync             `sync`
    delete           `delete`
    similar          `similar`; search: `search`
    collections      `collections`; transfer: its `export` and `import`
    embed_models     `embed-models`
    index            `index`
    maintenance      `check`, `compact` and `backup`
    server_upkeep    `check` and `index` of a PostgreSQL database
    push_pull        `push` and `pull`
    shell            `shell` and `extension-path`

What these share:

    options          options of several commands, and how many become one object
    search_options   those of a search, and how it is printed; tables: text in columns
    content          the text, file or standard input that one command embeds
    databases        opens the database that a command is about
    model_choice     which model a command embeds with
    progress         how far a load or a check has come

What `embed-multi` and `sync` are made of:

    load_job         what they share: a source is opened, embedded, and told about
    input_options    what is read; row_options: how a file of rows is written
    load_options     how it is embedded, and where it goes
    sources          opens what is read
    failures         what is left out
    load_interrupts  what ^C does; interruptible_loads: a load that it ends, with what to do then
"""

from .root import ErrorsInOneLine, cli, main

__all__ = ["ErrorsInOneLine", "cli", "main"]
