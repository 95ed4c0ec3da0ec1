#!/bin/sh
# Installs Debian packages as root, for their programs only: no service is started, none is left to start with the machine, and no database is made on port 5432.
set -eu

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/payaid.conf
made=

cleanup() {
    # Unquoted: one argument for each file.
    rm -f $made
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# The one way that Debian has to say "start nothing"; images of containers bring their own.
if [ ! -e "$policy" ]; then
    made="$policy"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
made="$made $cluster"
mkdir -p "$(dirname "$cluster")"
echo 'create_main_cluster = false' >"$cluster"

echo "Installing $* with apt-get"
for attempt in 1 2 3; do
    # Fails while another apt-get is running, which the lock below waits for but this one does not.
    apt-get -qq update && break
    [ "$attempt" = 3 ] || sleep 5
done
# Nothing that is there may go for it, such as another mail server.
apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends --no-remove "$@" </dev/null

for package in "$@"; do
    case $package in
        redis-server) services=redis-server ;;
        exim4-daemon-light) services='exim4 exim4-base.timer' ;;
        *) continue ;;
    esac
    command -v systemctl >/dev/null 2>&1 || continue
    # Unquoted: one argument for each service.
    systemctl disable $services >/dev/null 2>&1 || true
done
