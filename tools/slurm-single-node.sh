#!/bin/sh
# A Slurm of one node for tests, all of it in one folder: configuration, keys, state, logs.
#
#   tools/slurm-single-node.sh start DIR     brings up munged, slurmctld and slurmd
#   tools/slurm-single-node.sh restart DIR   slurmd alone, as after a node's hiccup; jobs live on
#   tools/slurm-single-node.sh stop DIR      ends the three daemons, and with them every job
#
# Slurm's commands speak to it when SLURM_CONF=DIR/slurm.conf is in the environment. The system's own
# /etc/slurm and /etc/munge are neither read nor written. There is no accounting, so `sacct` fails.
# Needs Debian's packages slurm-wlm and munge, and DIR at a short path that belongs to the caller.
#
# CPUS is the number of processors the node claims to have (default: those of the machine, at least
# 2), KILL_WAIT the seconds between SIGTERM and SIGKILL (default 3), MAX_ARRAY_SIZE Slurm's limit.
set -eu
PATH=$PATH:/usr/sbin:/sbin

fail() {
    printf 'slurm-single-node: %s\n' "$1" >&2
    exit 1
}

# Waits until a command succeeds, a minute at most.
until_true() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || return 1
        sleep 0.2
    done
}

# A port that nobody listens on; sbatch, slurmctld and slurmd find each other by it.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The daemon whose process number is in a file, while it is that daemon.
alive() {
    [ -s "$1" ] && grep -qs "$2" "/proc/$(cat "$1" 2>/dev/null)/comm"
}

end() {
    alive "$1" "$2" || return 0
    process=$(cat "$1")
    kill "$process"
    tries=0
    while alive "$1" "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { kill -9 "$process"; break; }
        sleep 0.1
    done
}

configure() {
    node=$(hostname -s)
    cpus=${CPUS:-$(nproc)}
    [ "$cpus" -ge 2 ] || cpus=2
    megabytes=$(awk '/^MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    cat >"$dir/slurm.conf" <<EOF
ClusterName=single
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=${KILL_WAIT:-3}
MaxArraySize=${MAX_ARRAY_SIZE:-1001}
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$megabytes State=UNKNOWN
PartitionName=cpu Nodes=$node Default=YES MaxTime=INFINITE State=UP
EOF
    printf 'CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n' >"$dir/cgroup.conf"
}

node_is_up() {
    sinfo --noheader --format=%t | grep -Eq '^(idle|mix|alloc)$'
}

start_slurmd() {
    slurmd -f "$dir/slurm.conf" || fail "slurmd does not start; see $dir/slurmd.log."
    until_true node_is_up || fail "the node does not come up; see $dir/slurmd.log."
}

start() {
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null || fail "$program is not installed."
    done
    mkdir -p "$dir/state" "$dir/spool"
    configure
    [ -s "$dir/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
    munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" \
        --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munged.seed" \
        || fail "munged does not start; see $dir/munged.log."
    until_true test -S "$dir/munge.socket" || fail "munged does not answer; see $dir/munged.log."
    slurmctld -f "$dir/slurm.conf" || fail "slurmctld does not start; see $dir/slurmctld.log."
    until_true scontrol ping || fail "slurmctld does not answer; see $dir/slurmctld.log."
    start_slurmd
}

stop() {
    if alive "$dir/slurmctld.pid" slurmctld; then
        scancel --signal=KILL --full --user="$(id -un)" || true
        scancel --user="$(id -un)" || true
        until_true sh -c '[ -z "$(squeue --noheader)" ]' || true
    fi
    end "$dir/slurmd.pid" slurmd
    end "$dir/slurmctld.pid" slurmctld
    end "$dir/munged.pid" munged
}

[ $# -eq 2 ] || fail "usage: $0 start|restart|stop DIR"
mkdir -p "$2"
dir=$(CDPATH= cd -- "$2" && pwd -P)
export SLURM_CONF="$dir/slurm.conf"
case $1 in
start) start ;;
restart)
    end "$dir/slurmd.pid" slurmd
    start_slurmd
    ;;
stop) stop ;;
*) fail "usage: $0 start|restart|stop DIR" ;;
esac
