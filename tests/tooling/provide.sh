#!/bin/sh
# Installs with apt what the tests need and Python packages cannot bring, when this is root on Debian.
# Calls apt only when something is missing. What stays missing is not an error here: the checks say at
# their end what they could not run, and fail for it when CI=true.
set -eu

PYTHON=${PYTHON:-python3}
wanted=""

here() { command -v "$1" >/dev/null 2>&1; }
want() { wanted="$wanted $*"; }

here "$PYTHON" || want python3
here "$PYTHON" && "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || want python3-venv
{ here xgettext && here msgmerge && here msguniq && here msgattrib; } || want gettext
{ here initdb && here postgres; } \
    || { here pg_config && [ -x "$(pg_config --bindir)/initdb" ]; } \
    || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
    || want postgresql
here chromium || here chromium-browser || here google-chrome || want chromium fonts-liberation
# Playwright brings a Node that is linked with it; a small Debian has none.
[ -n "$(ls /usr/lib/*/libatomic.so.1 /usr/lib*/libatomic.so.1 2>/dev/null)" ] || want libatomic1

# Kannel is a peer of the gateways' tests, and so is the SMSC that npm brings.
{ here bearerbox || [ -x /usr/sbin/bearerbox ]; } || want kannel
here npm || want npm

[ -n "$wanted" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! here apt-get; then
    echo "Not installed here, and only root on Debian installs it by itself:$wanted"
    exit 0
fi

# What is installed here is for tests, which start it themselves: no service starts by itself (invoke-rc.d asks this).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing with apt:$wanted"
export DEBIAN_FRONTEND=noninteractive
options="-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300"
# The options are words of their own. shellcheck disable=SC2086
apt-get $options update -qq </dev/null
# shellcheck disable=SC2086
apt-get $options install -qq --yes --no-install-recommends $wanted </dev/null >/dev/null
