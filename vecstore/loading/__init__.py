"""Loads: entries become batches, batches vectors, and these rows, by the write contract.

    load       what embed() and embed_multi() run: Load, Progress
    additions  what add() and add_multi() run: vectors that are there already
    metadata_changes   what set_metadata() runs
    items      an entry as it comes becomes an Item, or is refused: OnError
    contract   which entries need the model, which a write, and how they are written
    documents  what was split into chunks, and is written and left out as a whole
    asking     one batch is embedded, and it is found which of its inputs fails
    replaced   vectors that were replaced are known to the end of a load
    pipeline   several batches are embedded at once
    preview    the dry run: the same batches, on rows that are written nowhere
    reembedding  a collection is embedded again by another model: Reembedding
    agreement  how far the old vectors and the new ones agree
    sync       what a source has no more is deleted at the end: Sync
    report     what became of the entries: EmbedReport and others

Others use `load`, `additions`, `metadata_changes`, `items`, `documents`, `preview`, `reembedding`,
`sync` and `report`.
"""
