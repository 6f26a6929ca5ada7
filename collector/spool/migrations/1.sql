-- Segments wait here; a row goes when every sink is done with it.
CREATE TABLE segment (
    id           INTEGER PRIMARY KEY,
    epoch        TEXT    NOT NULL,
    first_seq    INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    boot_id      TEXT    NOT NULL,
    offset_ns    INTEGER NOT NULL,  -- wall minus boot time when the readings were taken
    synchronised INTEGER NOT NULL,
    codec        INTEGER NOT NULL,  -- of body; 1: zlib of msgpack
    crc32        INTEGER NOT NULL,  -- of the msgpack
    body         BLOB    NOT NULL
);

-- One row: progress and books, as the spool encodes them.
CREATE TABLE state (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body BLOB NOT NULL
);

-- Readings a sink refused for good, with its words.
CREATE TABLE dead (
    id      INTEGER PRIMARY KEY,
    sink    TEXT    NOT NULL,
    epoch   TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    reading BLOB    NOT NULL, -- msgpack of a segment of this reading alone
    UNIQUE (sink, epoch, seq)
);
