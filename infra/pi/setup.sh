#!/bin/bash
# Makes a Raspberry Pi (Raspberry Pi OS Lite, 64 bit) the kiosk of one room. Run it as root, as often as you like:
#   sudo ./setup.sh --link 'https://attendance.school.lan/kiosk#device=…&room=…&key=…' --ca root.crt
# --link  the kiosk's link, as the server printed it, with the school's own address in front
# --ca    the root certificate of the school's Caddy (infra/README.md says where to find it); leave it out where
#         the school has a public certificate
# --into  for a look at what it would write: lays the files below this folder, and installs and starts nothing
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

link='' ca='' into=''
while (($# > 0)); do
  case "$1" in
    --link) link="${2-}" ;;
    --ca) ca="${2-}" ;;
    --into) into="${2-}" ;;
    *) fail "unknown option $1; it takes --link, --ca and --into" ;;
  esac
  (($# >= 2)) || fail "$1 needs a value"
  shift 2
done

# A camera opens only in a secure context, and a key must not travel in the clear.
[[ $link =~ ^(https://[A-Za-z0-9.-]+(:[0-9]+)?)/kiosk#device=[A-Za-z0-9._-]+\&room=[A-Za-z0-9._-]+\&key=[A-Za-z0-9_-]{43}$ ]] ||
  fail "--link must be https://<the school's name>/kiosk#device=…&room=…&key=… as the server prints it; got '${link%%#*}…'"
origin="${BASH_REMATCH[1]}"
certificate=''
if [[ -n $ca ]]; then
  [[ -r $ca ]] || fail "--ca names $ca, which cannot be read"
  # PEM's lines without its frame are the base64 that the policy wants.
  certificate="$(sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/{/-----/d;p;/-----END/q}' "$ca" | tr -d '\r\n')"
  [[ -n $certificate ]] || fail "--ca names $ca, which holds no certificate (-----BEGIN CERTIFICATE-----)"
fi
if [[ -z $into ]]; then
  [[ $(id -u) -eq 0 ]] || fail 'run it as root: sudo ./setup.sh …'
  command -v apt-get >/dev/null || fail 'this is no Raspberry Pi OS or Debian: it has no apt-get'
fi

# ---------- programs and the user ----------
if [[ -z $into ]]; then
  export DEBIAN_FRONTEND=noninteractive
  # Chromium's package is called chromium-browser on Raspberry Pi OS 12 and chromium elsewhere.
  # Cage does not start without Xwayland, which it only recommends.
  need=(cage xwayland fonts-dejavu-core prometheus-node-exporter)
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || need+=(chromium)
  missing=()
  for name in "${need[@]}"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" == installed ]] || missing+=("$name")
  done
  if ((${#missing[@]} > 0)); then
    apt-get -o APT::Update::Error-Mode=any update || fail 'apt-get cannot reach its package sources; connect the Pi to the internet for this setup'
    if [[ " ${missing[*]} " == *' chromium '* ]] && ! apt-cache show chromium >/dev/null 2>&1; then missing=("${missing[@]/%chromium/chromium-browser}"); fi
    apt-get install -y --no-install-recommends "${missing[@]}" || fail "apt-get could not install ${missing[*]}"
  fi
  getent passwd kiosk >/dev/null || useradd --system --create-home --home-dir /var/lib/fastrackai-kiosk --shell /usr/sbin/nologin kiosk
  for group in video render input; do
    if getent group "$group" >/dev/null; then usermod -aG "$group" kiosk; fi
  done
  install -d -o kiosk -g kiosk -m 0700 /var/lib/fastrackai-kiosk
fi

# ---------- files ----------
# lay MODE TARGET: writes standard input there when it is not there already, whole.
lay() {
  local target="$into$2" new
  mkdir -p "$(dirname "$target")"
  new="$(mktemp "$target.XXXXXX")"
  cat >"$new"
  chmod "$1" "$new"
  if cmp -s "$new" "$target" && [[ "$(stat -c %a "$target")" == "${1#0}" ]]; then
    rm "$new"
  else
    mv -f "$new" "$target"
    echo "wrote $2"
  fi
}

lay 0755 /usr/local/lib/fastrackai/start-kiosk <"$here/start-kiosk"
lay 0755 /usr/local/lib/fastrackai/watch-kiosk <"$here/watch-kiosk"
lay 0644 /etc/systemd/system/fastrackai-kiosk.service <"$here/fastrackai-kiosk.service"
lay 0644 /etc/systemd/system/fastrackai-kiosk-restart.service <"$here/fastrackai-kiosk-restart.service"
lay 0644 /etc/systemd/system/fastrackai-kiosk-restart.timer <"$here/fastrackai-kiosk-restart.timer"
lay 0644 /etc/systemd/system.conf.d/fastrackai-watchdog.conf <"$here/watchdog.conf"
# What a web page cannot read, for infra/prometheus: the temperature of the processor, memory, disk and clock. No process, file or address.
lay 0644 /etc/default/prometheus-node-exporter <<<'ARGS="--collector.disable-defaults --collector.thermal_zone --collector.cpufreq --collector.loadavg --collector.meminfo --collector.filesystem --collector.timex --web.disable-exporter-metrics"'
# The key in the link opens one room's roster: for root alone. systemd reads it and hands it to the kiosk.
lay 0600 /etc/fastrackai/kiosk.env <<<"KIOSK_LINK='$link'"

policy="$(sed "s|SCHOOL_ORIGIN|$origin|g" "$here/policy.json")"
if [[ -n $certificate ]]; then policy="{
  \"CACertificates\": [\"$certificate\"],${policy#\{}"; fi
lay 0644 /etc/chromium/policies/managed/fastrackai.json <<<"$policy"
# Raspberry Pi OS 12 calls its Chromium, and the folder of its policies, chromium-browser.
if [[ -d $into/etc/chromium-browser ]]; then lay 0644 /etc/chromium-browser/policies/managed/fastrackai.json <<<"$policy"; fi

# The console, which would go dark after ten minutes and show a cursor behind the kiosk.
for boot in /boot/firmware/cmdline.txt /boot/cmdline.txt; do
  [[ -f $into$boot ]] || continue
  line="$(<"$into$boot")"
  for word in consoleblank=0 vt.global_cursor_default=0; do
    [[ " $line " == *" $word "* ]] || line+=" $word"
  done
  lay "0$(stat -c %a "$into$boot")" "$boot" <<<"$line"
  break
done

# ---------- start ----------
if [[ -z $into ]]; then
  systemctl daemon-reload
  systemctl disable --now getty@tty1.service 2>/dev/null || true
  systemctl enable prometheus-node-exporter.service
  systemctl restart prometheus-node-exporter.service
  systemctl enable fastrackai-kiosk.service fastrackai-kiosk-restart.timer
  systemctl start fastrackai-kiosk-restart.timer
  systemctl restart fastrackai-kiosk.service
  echo "The kiosk starts now, and with the machine. What it says: journalctl -u fastrackai-kiosk"
fi
