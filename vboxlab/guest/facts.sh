# Reads what students may have got wrong, and changes nothing. vboxlab.guest.facts puts the questions after it.
# POSIX sh. Prints one line a fact, its fields separated by tabs; contents of files in base64.
# VBOXLAB_ROOT (tests) is where files are looked for instead of /.
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
root=${VBOXLAB_ROOT:-}

rights() { # PATH: "MODE OWNER:GROUP" of the file, or of what the link leads to
    stat -L -c '%a %U:%G' "$root$1"
}

file() { # PATH: rights and content of a text file, a byte more than is looked at; a link to /dev/null is an empty one
    if [ -f "$root$1" ]; then
        printf 'file\t%s\t%s\t%s\n' "$1" "$(rights "$1")" "$(head -c 65537 "$root$1" | base64 -w 0)"
    elif [ -L "$root$1" ] && [ "$(readlink "$root$1")" = /dev/null ]; then
        printf 'file\t%s\t%s\t\n' "$1" "$(rights "$1")"
    elif [ -e "$root$1" ] || [ -L "$root$1" ]; then
        printf 'other\t%s\n' "$1"
    else
        printf 'absent\t%s\n' "$1"
    fi
}

folder() { # PATH PATTERN: the text files in it whose names match, hidden ones apart
    for found in "$root$1"/$2; do
        if [ -f "$found" ] || [ -L "$found" ]; then file "${found#"$root"}"; fi
    done
}

answer() { # WORD COMMAND...: what a program says; its first 64 KiB are enough
    asked=$1
    shift
    complaint=$(mktemp)
    output=$(timeout 20 "$@" 2>"$complaint" </dev/null; printf '\n%s' "$?")
    printf 'answer\t%s\t%s\t%s\t%s\n' "$asked" "${output##*
}" "$(printf %s "${output%
*}" | head -c 65536 | base64 -w 0)" "$(head -c 65536 "$complaint" | base64 -w 0)"
    rm -f "$complaint"
}

unit() { # NAME: reported when it starts at boot (systemd-sysv-generator(8) for an init script that has no unit)
    set -- "$1" "$root/etc/systemd/system" "$root/lib/systemd/system"
    for link in "$2"/*.wants/"$1.service" "$2"/*.requires/"$1.service"; do
        if [ -L "$link" ]; then printf 'enabled\t%s\n' "$1"; return; fi
    done
    if [ -e "$2/$1.service" ] || [ -e "$3/$1.service" ]; then return; fi
    for link in "$root/etc/rc3.d/S"??"$1"; do
        if [ -L "$link" ]; then printf 'enabled\t%s\n' "$1"; return; fi
    done
}

setting() { # NAME PATH: the kernel's value now
    value=
    if [ -r "$root$2" ]; then read -r value <"$root$2"; fi
    printf 'setting\t%s\t%s\n' "$1" "$value"
}

system() { # host name, interfaces, their addresses, default routes
    name=
    read -r name <"$root/proc/sys/kernel/hostname"
    printf 'hostname\t%s\n' "$name"
    for path in "$root"/sys/class/net/*; do
        printf 'interface\t%s\n' "${path##*/}"
    done
    ip -br -4 addr | while read -r name _ addresses; do
        printf 'addresses\t%s\t%s\n' "${name%%@*}" "$addresses"
    done
    ip -4 route show default | while read -r _ _ via _ device _; do
        printf 'gateway\t%s\t%s\n' "$via" "$device"
    done
}
