#!/usr/bin/env bash
# Several hosts on one machine: network namespaces with addresses of their own, joined by a bridge.
#
#   hosts.sh up COUNT        makes the hosts 10.77.0.1 … 10.77.0.COUNT
#   hosts.sh on HOST COMMAND runs a command on a host; mpirun reaches the hosts with this (--mca plm_rsh_agent)
#   hosts.sh cut HOST        takes its cable out
#   hosts.sh running HOST    prints the numbers of the processes that run there
#   hosts.sh slow RATE       makes every cable as slow: hosts.sh slow 1gbit
#   hosts.sh down            removes them
#
# It needs root, and iproute2.
set -euo pipefail
name() { echo "gradus${1##*.}"; }

case $1 in
up)
  ip link add gradus0 type bridge
  ip link set gradus0 up
  for host in $(seq "$2"); do
    space=$(name "$host")
    ip netns add "$space"
    ip link add "$space" type veth peer name eth0 netns "$space"
    ip link set "$space" master gradus0 up
    ip -n "$space" addr add "10.77.0.$host/24" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$space" link set lo up
  done
  ;;
on)
  space=$(name "$2")
  shift 2
  # a name of its own too: processes on hosts of one name would talk through shared memory
  exec ip netns exec "$space" unshare --uts sh -c "hostname $space; $*"
  ;;
cut)
  ip link set "$(name "$2")" down
  ;;
running)
  ip netns pids "$(name "$2")"
  ;;
slow)
  for space in $(ip netns list | sed -n 's/^\(gradus[0-9]*\).*/\1/p'); do
    tc qdisc replace dev "$space" root tbf rate "$2" burst 256kb latency 50ms
    tc -n "$space" qdisc replace dev eth0 root tbf rate "$2" burst 256kb latency 50ms
  done
  ;;
down)
  for space in $(ip netns list | sed -n 's/^\(gradus[0-9]*\).*/\1/p'); do
    ip netns pids "$space" | xargs --no-run-if-empty kill -9
    ip link del "$space" 2>/dev/null || true
    ip netns del "$space"
  done
  ip link del gradus0 2>/dev/null || true
  ;;
esac
