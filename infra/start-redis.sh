#!/bin/sh
# Starts Redis with redis.conf and the password of the secret file. The configuration goes in by standard
# input, so that the password shows neither in the list of processes nor in the environment.
set -eu
umask 077
conf="${REDIS_CONF:-/etc/redis/redis.conf}"
secret="${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}"
if ! [ -s "$secret" ]; then
  echo "Redis needs a password in $secret; make it with infra/make-secrets.sh." >&2
  exit 1
fi
{
  cat "$conf"
  printf 'requirepass %s\n' "$(cat "$secret")"
} >"${TMPDIR:-/tmp}/redis.$$"
exec 0<"${TMPDIR:-/tmp}/redis.$$"
rm "${TMPDIR:-/tmp}/redis.$$"
exec redis-server - "$@"
