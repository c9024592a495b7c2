# One image for web, worker, listener, beat and migrate; docker-compose.yml says which one it is.

FROM python:3.13-slim AS packages

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN /opt/venv/bin/python -m pip install --require-hashes --requirement requirements.lock


FROM python:3.13-slim

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SMSMANAGER_MODE=production \
    SMSMANAGER_DATA_DIR=/data \
    SMSMANAGER_STATIC_ROOT=/app/build/static

RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent smsmanager \
    && install --directory --owner=smsmanager --group=smsmanager --mode=0700 /data

COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .

# The values are for this command only: it reads files and writes files, it signs nothing and calls nobody.
RUN SMSMANAGER_SECRET_KEY=for-collectstatic-only \
    SMSMANAGER_ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgres://nobody@localhost/nothing \
    REDIS_URL=redis://localhost:6379/0 \
    python manage.py collectstatic --noinput

USER smsmanager
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM

# Heartbeats of gunicorn in memory: a slow disk must not look like a dead worker. A long message that Kannel received
# stands in the address of its call.
CMD ["gunicorn", "smsmanager.wsgi", "--bind=0.0.0.0:8000", "--worker-class=gthread", "--worker-tmp-dir=/dev/shm", "--limit-request-line=8190", "--no-control-socket"]
