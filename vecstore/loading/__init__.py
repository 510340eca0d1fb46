"""Loads: entries become batches, batches vectors, and these rows, by the write contract.

    load       what embed() and embed_multi() run: Load, Progress
    items      an entry as it comes becomes an Item, or is refused: OnError
    contract   which entries need the model, which a write, and how they are written
    asking     one batch is embedded, and it is found which of its inputs fails
    pipeline   several batches are embedded at once
    preview    the dry run: the same batches, on rows that are written nowhere
    report     what became of the entries: EmbedReport

Others use `load`, `items`, `preview` and `report`.
"""
