"""The proof of the holds: what lines of the ledger hold, capture, give back and refund, beside the messages.

Each submission's hold is captured, released or still needed by messages that wait; each line that ended holds is
the sum of the messages that point to it, and each message costs its parts at its rate. Stands above credits/proof.py,
which knows no messages.
"""

from credits.proof import Difference, rows

# What of each cause's hold is neither captured nor given back, beside what its waiting messages cost.
HOLDS = """
SELECT book.account_id, account.name, sums.kind, sums.cause, sums.held, sums.needed
FROM (
    SELECT book, kind, cause, SUM(held) AS held, SUM(needed) AS needed FROM (
        SELECT CASE verb WHEN 'hold' THEN credit_id ELSE debit_id END AS book, cause_kind AS kind,
            cause_key AS cause, CASE verb WHEN 'hold' THEN amount ELSE -amount END AS held, 0 AS needed
        FROM credits_transfer WHERE verb IN ('hold', 'capture', 'release')
        UNION ALL
        SELECT held.id, 'submission', CAST(message.submission_id AS varchar(64)), 0, message.price
        FROM compose_message AS message
        JOIN credits_book AS held ON held.account_id = message.account_id AND held.kind = 'held'
        WHERE message.state IN ('scheduled', 'sending', 'unconfirmed')
    ) AS entries GROUP BY book, kind, cause HAVING SUM(held) <> SUM(needed)
) AS sums
JOIN credits_book AS book ON book.id = sums.book
JOIN credits_account AS account ON account.id = book.account_id
ORDER BY sums.book, sums.kind, sums.cause LIMIT %s
"""
# Each line that ended holds, beside the prices of the messages that point to it.
POINTERS = """
SELECT line, SUM(moved), SUM(pointed) FROM (
    SELECT id AS line, amount AS moved, 0 AS pointed
    FROM credits_transfer WHERE verb IN ('capture', 'release') AND cause_kind = 'submission'
    UNION ALL SELECT hold_ended_by_id, 0, price FROM compose_message WHERE hold_ended_by_id IS NOT NULL
) AS entries GROUP BY line HAVING SUM(moved) <> SUM(pointed) ORDER BY line LIMIT %s
"""
# A message that points to a line of something else or of another account, or of the wrong kind for its state.
STRAYS = """
SELECT message.id, message.state, line.key
FROM compose_message AS message
JOIN credits_transfer AS line ON line.id = message.hold_ended_by_id
JOIN credits_book AS book ON book.id = line.debit_id
WHERE book.account_id <> message.account_id
    OR line.cause_kind <> 'submission' OR line.cause_key <> CAST(message.submission_id AS varchar(64))
    OR line.verb NOT IN ('capture', 'release')
    OR (line.verb = 'release' AND message.state IN ('accepted', 'delivered'))
    OR (line.verb = 'capture' AND message.state IN ('failed', 'cancelled'))
ORDER BY message.id LIMIT %s
"""
# A refund gives back the price of a captured message, whole, and the message knows it.
REFUNDS = """
SELECT line.key, line.amount
FROM credits_transfer AS line
LEFT JOIN compose_message AS message ON CAST(message.id AS varchar(64)) = line.cause_key
LEFT JOIN credits_transfer AS ending ON ending.id = message.hold_ended_by_id
LEFT JOIN credits_book AS book ON book.id = line.credit_id
WHERE line.verb = 'refund' AND (
    message.id IS NULL OR line.cause_kind <> 'message' OR line.key <> 'refund:' || line.cause_key
    OR line.amount <> message.price OR ending.verb IS NULL OR ending.verb <> 'capture'
    OR book.account_id <> message.account_id
    OR message.refunded_by_id IS NULL OR message.refunded_by_id <> line.id
)
ORDER BY line.id LIMIT %s
"""
# A message that calls a line its refund which is not.
REFUNDED = """
SELECT message.id, COALESCE(line.key, CAST(message.refunded_by_id AS varchar(64)))
FROM compose_message AS message
LEFT JOIN credits_transfer AS line ON line.id = message.refunded_by_id
WHERE message.refunded_by_id IS NOT NULL AND (
    line.id IS NULL OR line.verb <> 'refund' OR line.key <> 'refund:' || CAST(message.id AS varchar(64))
)
ORDER BY message.id LIMIT %s
"""
# A submission costs what its messages cost, and each of these its parts at the rate that is stored with it.
PRICES = """
SELECT submission.id, submission.price, SUM(message.price), SUM(message.rate * submission.parts)
FROM compose_message AS message JOIN compose_submission AS submission ON submission.id = message.submission_id
GROUP BY submission.id, submission.price, submission.parts
HAVING SUM(message.price) <> submission.price
    OR SUM(CASE WHEN message.price <> message.rate * submission.parts THEN 1 ELSE 0 END) <> 0
ORDER BY submission.id LIMIT %s
"""


def verify() -> list[Difference]:
    """Recompute every hold from the lines and the messages; empty when all of it adds up."""
    found = [
        Difference(
            f"hold:{account}:{kind}:{cause}:{held - needed}",
            f"Account {account}, {name}, {kind} {cause}: {held} held, its waiting messages need {needed}",
        )
        for account, name, kind, cause, held, needed in rows(HOLDS)
    ]
    found += [
        Difference(
            f"pointers:{line}",
            f"Line {line}: moved {moved}, the messages that it ended cost {pointed}",
        )
        for line, moved, pointed in rows(POINTERS)
    ]
    found += [
        Difference(
            f"pointer:{message}", f"Message {message}, {state}: the line {key} that ended its hold is not its own"
        )
        for message, state, key in rows(STRAYS)
    ]
    found += [
        Difference(
            f"refund:{key}", f"Line {key}: {amount} given back for a message that was not captured at that price"
        )
        for key, amount in rows(REFUNDS)
    ]
    found += [
        Difference(f"refunded:{message}", f"Message {message}: the line {key} that refunded it is not its own")
        for message, key in rows(REFUNDED)
    ]
    found += [
        Difference(
            f"price:{submission}",
            f"Submission {submission}: costs {price}, its messages {each}, which at their rates would be {rated}",
        )
        for submission, price, each, rated in rows(PRICES)
    ]
    return found
