#!/bin/sh
# PID 1 of a guest. ttyS0 is the kernel's, ttyS1 carries the command's output,
# ttyS2 what xtask listens to; every line there starts with the run's nonce.
# What goes wrong here is told on ttyS0, which xtask shows when a run fails.
export PATH=/usr/bin:/bin HOME=/root USER=root LOGNAME=root SHELL=/bin/sh TERM=dumb LANG=C.UTF-8
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo -1000 >/proc/self/oom_score_adj
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /dev/shm /tmp /run /out; do mount -t tmpfs -o mode=1777 tmpfs "$dir"; done
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname damo-guest
ip link set lo up
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo

read -r nonce </etc/nonce
tell() { echo "$nonce $*" >/dev/ttyS2; }

tell start
while sleep 3; do tell beat; done &
echo $! >/run/heartbeat

# Through a pipe: commands take a terminal for somebody watching.
mkfifo /run/output
cat /run/output >/dev/ttyS1 &
cat=$!
/etc/command </dev/null >/run/output 2>&1
status=$?
# A process left behind may hold the pipe; the rest of the output may not take long.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 $cat 2>/dev/null || break
    usleep 100000
done

# Disks are probed in no certain order: found by serial.
disk=
for _ in 1 2 3 4 5 6 7 8 9 10; do
    for file in /sys/block/nvme*/device/serial; do
        read -r serial <"$file" || continue
        [ "$serial" = damo-out ] || continue
        disk=${file#/sys/block/}
        disk=/dev/${disk%%/*}
    done
    [ -b "$disk" ] && break
    sleep 1
done
tar cf "$disk" -C /out . && sync
tell end $status $?
poweroff -f
