# Put behind vboxlab/guest/facts.sh, whose function and variable it uses.

heartbeat_keys() { # PATH: rights of authkeys and what is wrong with its form; its text stays in the guest
    if [ ! -f "$root$1" ]; then return; fi
    number=0 wrong= wrong_at=0 chosen= keys=' '
    while read -r first second third _ || [ -n "$first" ]; do
        number=$((number + 1)) problem=
        case $first:$second in
            : | '#'*) continue ;;
            auth: | auth:*[!0-9]*) problem=auth ;;
            auth:*) chosen=$second ;;
            *[!0-9]*:*) problem=line ;;
            *:crc) keys="$keys$first " ;;
            *:md5 | *:sha1) if [ -n "$third" ]; then keys="$keys$first "; else problem=secret; fi ;;
            *) problem=method ;;
        esac
        if [ -z "$wrong" ] && [ -n "$problem" ]; then wrong=$problem wrong_at=$number; fi
    done <"$root$1"
    if [ -z "$wrong" ]; then
        case $chosen:$keys in
            :*) wrong=no-auth ;;
            *:*" $chosen "*) ;;
            *) wrong=no-key ;;
        esac
    fi
    printf 'said\tauthkeys\t%s\t%s\t%s\n' "$(rights "$1")" "${wrong:-fine}" "$wrong_at"
}

heartbeat_scripts() { # names of the scripts that Heartbeat finds services by
    set --
    for script in "$root"/etc/init.d/*; do
        if [ -f "$script" ] && [ -x "$script" ]; then set -- "$@" "${script##*/}"; fi
    done
    if [ "$#" -gt 0 ]; then printf 'said\tscripts\t%s\n' "$*"; fi
}
