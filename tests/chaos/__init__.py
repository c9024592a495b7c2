"""Chaos: a seeded run in which everything is killed that can be, and the proof that nothing was lost or sent twice.

    python -m tests.chaos --messages 20000 --kills 30 --flushes 3 --restarts 1 --seed 1      (make chaos)

A PostgreSQL server, a Valkey server, Celery workers of three, one or two beats and a message centre that speaks SMPP
3.4 run as processes of their own. One more process submits messages, in bulk and by the few, some of them deferred,
some cancelled or paused and resumed on their way. Meanwhile

    workers are killed          SIGKILL: the whole group, as a machine that goes, or one child, as a lack of memory
    beats are killed            the same
    the broker is flushed       FLUSHALL; or killed, and started again with nothing in it
    the database is restarted   an immediate shutdown, as after a crash; it recovers from its log
    a worker's clock is wrong   it jumps: seconds ahead, seconds behind, a minute ahead, an hour behind (`settings.py`)

What is killed starts again at once, as under `restart: unless-stopped`; a kill waits for a worker that sends. The same
seed gives the same plan: what is submitted, and what is struck after how many accepted messages (`plan.py`). It is
printed first, so that a run that found something can be done again. What the processes make of it between two blows is
their own.

When nothing is on its way any more, `proof.py` compares two records that know nothing of one another, the table of
messages and the file of the message centre, in which each accepted message stands before its answer leaves. Every
message has a number of its own, so "once" is counted and not concluded:

    accepted                      exactly once there, under the reference that it gave
    failed, cancelled             not once
    unconfirmed                   once or not; no more claims than processes were hit, none larger than a chunk
    anything else                 lost
    not before its moment         by the clock of the database's machine, to the microsecond
    credits                       each message's hold ended as its state says; the books and `verify_ledger` agree

| room | holds |
|---|---|
| `plan.py` | what is submitted and what is struck, from a seed |
| `smsc.py` | the message centre |
| `submitter.py` | the process that submits, cancels, pauses |
| `settings.py` | the settings of the processes: the product's, and a clock that may be wrong |
| `house.py` | the processes, and how each of them is struck |
| `run.py` | plays a plan and waits until nothing is on its way |
| `evidence.py`, `proof.py` | what is known afterwards, and what is wrong with it |
"""
