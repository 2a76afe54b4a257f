# The part of every configuration script that is the same; vboxlab.guest.script puts the resources after it.
# POSIX sh (dash). Reports one line per resource: "@INDEX<TAB>STATUS<TAB>REASON". apply=1 changes things, 0 previews.
# Few processes on purpose: under emulation each costs some 20 ms, so whatever can be asked for once is.
LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
export LC_ALL PATH DEBIAN_FRONTEND
umask 022
nl='
'
tab='	'
notified=' '     # services to restart, because a file of theirs changed
broken=' '       # services not to touch, because a file of theirs could not be written
failures=0
stopped=0        # how many had failed when something that others may rest on did
check=           # the function that checks the file that is put next
resolv_conf=${VBOXLAB_ROOT-}/etc/resolv.conf # VBOXLAB_ROOT is for tests
written=${VBOXLAB_ROOT-}/var/lib/vboxlab/written # "DIGEST  PATH" of all that we ever wrote
to_restart=${VBOXLAB_ROOT-}/var/lib/vboxlab/to-restart # services that a failure kept from their restart
dpkg=${VBOXLAB_ROOT-}/var/lib/dpkg
known=
units=' '        # "UNIT=STATE " of all that systemd was asked about
reload_units=0
changing=0       # whether anything may be otherwise than it was when it was asked for

report() { # INDEX STATUS REASON
    reason=$3
    case $reason in
        *[[:cntrl:]]*) reason=$(printf %s "$reason" | tr '\n\t\r' '; ;') ;;
    esac
    printf '@%s\t%s\t%s\n' "$1" "$2" "$reason"
    if [ "$2" = failed ]; then failures=$((failures + 1)); fi
}

going() { # INDEX FAILURES: whether to go on with a resource, after so many failures; reports that it is skipped else
    [ "$apply" = 0 ] || [ "$2" = 0 ] && return 0
    report "$1" skipped 'something before it failed'
    return 1
}

may_change() { # INDEX REASON: whether changes are on; reports what would change otherwise
    if [ "$apply" = 1 ]; then changing=1; return 0; fi
    report "$1" would-change "$2"
    return 1
}

attempt() { # COMMAND...: runs it, keeps what it said in $said
    said=$("$@" 2>&1 </dev/null)
}

attempt_alone() { # COMMAND...: as attempt; but what the command leaves running is not waited for, as a pipe would be
    hearing=$(mktemp -t vboxlab-said.XXXXXX) || return
    "$@" >"$hearing" 2>&1 </dev/null
    code=$?
    said=$(tail -n 5 "$hearing")
    rm -f "$hearing"
    return "$code"
}

notify() { # LIST SERVICE...: adds services to the list named "notified" or "broken"
    list=$1
    shift
    for name; do eval "$list=\"\${$list}$name \""; done
}

# --- files: $sums holds "PATH: OK" lines, $stats "PATH RAWMODE OWNER GROUP" lines

difference() { # PATH RAWMODE OWNER GROUP: sets $why, empty when the file is as wanted
    why=
    case $nl$stats$nl in
        *"$nl$1 $2 $3 $4$nl"*) ;;
        *"$nl$1 "*)
            rest=${stats#*"$nl$1 "}
            case $stats in "$1 "*) rest=${stats#"$1 "} ;; esac
            why=$(unlike "$2 $3 $4" ${rest%%"$nl"*})
            ;;
        *) why='does not exist' ;;
    esac
    case $nl$sums$nl in
        *"$nl$1: OK$nl"*) ;;
        *) why=${why:-content differs} ;;
    esac
    [ -z "$why" ]
}

untried() { # PATH: takes away what a trial (in_place) that was cut short has left, and puts back what was there
    old=${1%/*}/.${1##*/}.vboxlab-old
    [ "$apply" = 1 ] && [ -e "$old-new" ] || return 0
    changing=1
    rm -f "$old-new"
    if [ -e "$old" ] || [ -L "$old" ]; then mv -fT "$old" "$1"; else rm -f "$1"; fi
}

again() { # PATH DIGEST: asks once more about a file, as something before it may have made or changed it
    [ "$changing" = 1 ] || return 0
    : "${first_stats=$stats}"
    stats=$(stat -c '%n %f %U %G' "$1" 2>/dev/null)
    sums=$(echo "$2  $1" | sha256sum -c 2>/dev/null)
}

unlike() { # "RAWMODE OWNER GROUP" RAWMODE OWNER GROUP: says how the second differs from the first
    set -- $1 $2 $3 $4
    case $4 in
        8*) ;;
        *) echo 'is not a regular file'; return ;;
    esac
    [ "$1" = "$4" ] || printf 'mode is %04o instead of %04o ' "$((0x$4 & 07777))" "$((0x$1 & 07777))"
    [ "$2:$3" = "$5:$6" ] || printf 'owner is %s:%s instead of %s:%s' "$5" "$6" "$2" "$3"
}

recall() { # sets $known to what we wrote so far, when that is first needed: one call a byte, and no process
    [ -z "$known" ] && [ -r "$written" ] || return 0
    while IFS= read -r line; do known=$known$nl$line; done <"$written"
}

somebodys() { # PATH: whether what stands there is neither what we wrote nor what a package brings
    [ "$fresh" = 0 ] || return 1
    case $nl${first_stats-$stats} in
        *"$nl$1 "*) ;;
        *) return 1 ;; # it is not there, or came with a package a moment ago
    esac
    [ -f "$1" ] && [ ! -L "$1" ] || return 0
    recall
    set -- "$1" $(sha256sum <"$1")
    case $nl$known$nl in *"$nl$2  $1$nl"*) return 1 ;; esac
    set -- "$1" $(md5sum <"$1")
    ! grep -qs "^$2 " "$dpkg"/info/*.md5sums && ! grep -qs " $2\( obsolete\)\?\$" "$dpkg/status" && [ -s "$1" ]
}

keep() { # INDEX PATH: keeps beside what somebody changed, before it is overwritten; $said says why it cannot
    if [ -d "$2" ] && [ ! -L "$2" ]; then said="$2 is a folder: move it away, a file belongs there"; return 1; fi
    somebodys "$2" || return 0
    case ${2%/*} in
        *.d) kept=${2%/*}/.${2##*/} ;; # programs read all that lies in such a folder, but for hidden files
        *) kept=$2 ;;
    esac
    kept=$kept.vboxlab-$(date +%Y%m%d-%H%M%S)
    if [ "$apply" = 1 ]; then
        while [ -e "$kept" ] || [ -L "$kept" ]; do kept=$kept+; done
        attempt cp -a "$2" "$kept" || { rm -f "$kept"; said="$2 cannot be kept, so it stays as it is: $said"; return 1; }
    fi
    printf '@%s\tkept\t%s\t%s\n' "$1" "$2" "$kept"
}

remember() { # PATH DIGEST: that we wrote it
    [ "$apply" = 1 ] || return 0
    recall
    case $nl$known$nl in *"$nl$2  $1$nl"*) return 0 ;; esac
    known="$known$nl$2  $1"
    { (umask 077; [ -d "${written%/*}" ] || mkdir -p "${written%/*}"; printf '%s  %s\n' "$2" "$1" >>"$written"); } 2>/dev/null
    return 0
}

put() { # INDEX PATH MODE OWNER GROUP DIGEST SERVICE...: writes the file from base64 on standard input; $why says why
    index=$1 path=$2 mode=$3 owner=$4 group=$5 digest=$6 checking=$check check=
    shift 6
    if [ -n "$checking" ] && [ "$apply" = 1 ] && ! said=$(new_file 2>&1 && passes 2>&1 </dev/null); then
        rm -f "$path.vboxlab-new"
        notify broken "$@"
        report "$index" failed "$said"
        return
    fi
    case $nl$sums$nl in
        *"$nl$path: OK$nl"*) ;; # only its rights differ
        *) keep "$index" "$path" || { notify broken "$@"; report "$index" failed "$said"; return; } ;;
    esac
    may_change "$index" "$why" || { notify notified "$@"; return; }
    if said=$(write_file 2>&1); then
        remember "$path" "$digest"
        notify notified "$@"
        case $path in */systemd/system/* | /etc/init.d/*) reload_units=1 ;; esac
        report "$index" changed "$why"
    else
        notify broken "$@"
        report "$index" failed "$said"
    fi
}

write_file() {
    if { [ -n "$checking" ] || new_file; } && mv -fT "$path.vboxlab-new" "$path"; then return 0; fi
    rm -f "$path.vboxlab-new"
    return 1
}

new_file() { # writes what the file shall be beside it
    umask 077
    [ -d "${path%/*}/" ] || (umask 022; mkdir -p "${path%/*}") || return 1
    base64 -d >"$path.vboxlab-new" || return 1
    chown "$owner:$group" "$path.vboxlab-new" && chmod "$mode" "$path.vboxlab-new"
}

passes() { # whether the new file passes its check; says what the check says, else
    if told=$("$checking" 2>&1); then return 0; else code=$?; fi
    told=$(printf %s "$told" | tail -n 5)
    echo "its check refuses it, so what is there stays: ${told:-exit code $code}"
    return 1
}

in_place() { # PATH COMMAND...: runs a command with the new file in its place, and puts back what was there
    trial=$1 old=${1%/*}/.${1##*/}.vboxlab-old
    shift
    rm -f "$old"
    if [ -e "$trial" ] || [ -L "$trial" ]; then cp -a "$trial" "$old" || return; fi
    cp -a "$trial.vboxlab-new" "$old-new" && mv -fT "$trial.vboxlab-new" "$trial" && "$@"
    code=$?
    mv -fT "$old-new" "$trial.vboxlab-new"
    if [ -e "$old" ] || [ -L "$old" ]; then mv -fT "$old" "$trial"; else rm -f "$trial"; fi
    return "$code"
}

absent() { # INDEX PATH SERVICE...
    index=$1 path=$2
    shift 2
    if [ ! -e "$path" ] && [ ! -L "$path" ]; then report "$index" unchanged ''; return; fi
    keep "$index" "$path" || { notify broken "$@"; report "$index" failed "$said"; return; }
    may_change "$index" 'exists' || { notify notified "$@"; return; }
    if attempt rm -f "$path"; then
        notify notified "$@"
        report "$index" changed 'existed'
    else
        notify broken "$@"
        report "$index" failed "$said"
    fi
}

# --- packages: $installed holds "NAME installed" lines

package() { # INDEX NAME: reports one that is there, or adds it to $missing
    case $nl$installed$nl in
        *"$nl$2 installed$nl"*) report "$1" unchanged '' ;;
        *) missing="$missing $2" missing_index="$missing_index $1" ;;
    esac
}

report_packages() { # STATUS REASON: of all that were missing
    for index in $missing_index; do report "$index" "$1" "$2"; done
}

seconds() { # sets $now to the seconds since the guest's boot, without a process
    read -r now _ </proc/uptime
    now=${now%.*}
}

fetch() { # ARGUMENT...: apt-get with the options given by the caller of the script
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=2 $apt_options "$@" </dev/null 2>&1
}

apt_files() { # CONFIGURATION SOURCES LOGINS FILE...: sets $apt_options; the files are root's own and go with the script,
    # but for the last ones, which are the lab's: the guest's other sources are not asked when there are SOURCES
    apt_options=
    [ -n "$missing" ] || return 0
    apt_folder=$(mktemp -d) || return
    trap 'rm -rf "$apt_folder"' EXIT
    if [ -n "$2" ]; then
        printf %s "$2" >"$apt_folder/sources.list"
        (umask 077 && printf %s "$3" >"$apt_folder/logins")
        configuration=$1 parts=/dev/null
        shift 3
        if [ $# -gt 0 ]; then parts=$apt_folder/parts; mkdir "$parts" && ln -s "$@" "$parts/"; fi
        set -- "$configuration
Dir::Etc::SourceList \"$apt_folder/sources.list\";
Dir::Etc::SourceParts \"$parts\";
Dir::Etc::Netrc \"$apt_folder/logins\";
"
    fi
    (umask 077 && printf %s "$1" >"$apt_folder/apt.conf")
    apt_options="-c=$apt_folder/apt.conf"
}

resolves() { # whether a name server of the guest knows the host that packages come from
    RES_OPTIONS='timeout:3 attempts:1' getent -s dns ahostsv4 "$apt_host" >/dev/null 2>&1 </dev/null
}

install_missing() { # apt_within: seconds for the mirror to become reachable
    [ -n "$missing" ] || return 0
    if [ "$apply" != 1 ]; then report_packages would-change 'not installed'; return; fi
    changing=1
    if fetch --no-download --no-install-recommends install $missing >/dev/null; then
        report_packages changed 'not installed'
        return
    fi
    resolver=
    if [ -n "$apt_resolver" ] && ! resolves; then
        # The lab's own name server may come up later, or be this guest: one of the hypervisor's is asked after it.
        resolver=$(cat "$resolv_conf")
        printf '%s\nnameserver %s\noptions timeout:2\n' "$resolver" "$apt_resolver" >"$resolv_conf"
    fi
    if said=$(update_and_install); then
        report_packages changed 'not installed'
    else
        report_packages failed "$said"
    fi
    if [ -n "$resolver" ]; then printf '%s\n' "$resolver" >"$resolv_conf"; fi
}

update_and_install() { # says what failed
    seconds
    apt_deadline=$((now + apt_within))
    until said=$(fetch -o APT::Update::Error-Mode=any update); do
        seconds
        if [ "$now" -ge "$apt_deadline" ]; then
            echo "apt-get update: $(printf %s "$said" | grep -E '^[EW]:' | tail -n 3)"
            return 1
        fi
        sleep 2
    done
    said=$(fetch --no-install-recommends install $missing) && return 0
    echo "apt-get install: $(printf %s "$said" | tail -n 3)"
    return 1
}

# --- system

host_name() { # INDEX NAME
    read -r kernel_name </proc/sys/kernel/hostname
    stored_name=
    [ ! -r /etc/hostname ] || read -r stored_name </etc/hostname
    if [ "$kernel_name" = "$2" ] && [ "$stored_name" = "$2" ]; then report "$1" unchanged ''; return; fi
    why="is ${stored_name:-not set}"
    [ "$kernel_name" = "$stored_name" ] || why="is $kernel_name, and ${stored_name:-nothing} in /etc/hostname"
    may_change "$1" "$why" || return
    if said=$({ printf '%s\n' "$2" >/etc/hostname && printf %s "$2" >/proc/sys/kernel/hostname; } 2>&1); then
        report "$1" changed "$why"
    else
        report "$1" failed "$said"
    fi
}

interface() { # INDEX NAME ADDRESS GATEWAY: $addresses is what ip says of addresses and default routes
    if [ ! -d "/sys/class/net/$2" ]; then
        report "$1" failed "the guest has no $2 (it has: $(cd /sys/class/net && echo *))"
        return
    fi
    found=
    while read -r name _ rest; do
        if [ "$name" = "$2" ]; then found=" $rest "; fi
    done <<END
$addresses
END
    why=
    case $3:$found in
        *:)  why='has no address' ;;
        dhcp:*) ;;
        *" $3 "*) ;;
        *) why="has$found"; why="${why% } instead of $3" ;;
    esac
    if [ -z "$why" ] && [ -n "$4" ]; then
        case "$addresses$nl" in
            *"default via $4 dev $2 "*) ;;
            *) why="no default route through $4" ;;
        esac
    fi
    if [ -z "$why" ]; then report "$1" unchanged ''; return; fi
    may_change "$1" "$why" || return
    ifdown --force "$2" >/dev/null 2>&1 </dev/null
    if [ -r "/run/dhclient.$2.pid" ]; then kill "$(cat "/run/dhclient.$2.pid")" 2>/dev/null; fi
    ip -4 addr flush dev "$2"
    if attempt ifup "$2"; then report "$1" changed "$why"; else report "$1" failed "ifup $2: $said"; fi
}

sets() { # FILE NAME VALUE: whether a line of the file is NAME=VALUE, with spaces or without
    [ -r "$1" ] || return 1
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            *=*=*) continue ;;
            *"$2"*=*"$3"*) ;;
            *) continue ;;
        esac
        trimmed "${line%%=*}" "$2" && trimmed "${line#*=}" "$3" && return 0
    done <"$1"
    return 1
}

trimmed() { # TEXT WORD: whether the text is the word with spaces around it
    text=${1#"${1%%[! $tab]*}"}
    [ "${text%"${text##*[! $tab]}"}" = "$2" ]
}

setting() { # INDEX NAME VALUE FILE PROCPATH PATTERN: of the kernel; PATTERN is NAME as a regular expression
    why=
    case $changing$nl$sums$nl in
        0*"$nl$5: OK$nl"*) ;;
        *) # not read by the shell: a number is there for the first read(2) only, and dash reads byte by byte
            current=
            [ ! -r "$5" ] || current=$(cat "$5")
            case $current in *"$tab"*) current=$(printf %s "$current" | tr "$tab" ' ') ;; esac
            [ "$current" = "$3" ] || why="is ${current:-not there}"
            ;;
    esac
    sets "$4" "$2" "$3" || why="${why:-not in $4}"
    if [ -z "$why" ]; then report "$1" unchanged ''; return; fi
    keep "$1" "$4" || { report "$1" failed "$said"; return; }
    may_change "$1" "$why" || return
    if said=$({ write_setting "$@" && printf %s "$3" >"$5"; } 2>&1); then
        remember "$4" "$(sha256sum <"$4" | cut -d ' ' -f 1)"
        report "$1" changed "$why"
    else
        report "$1" failed "$said"
    fi
}

write_setting() { # INDEX NAME VALUE FILE PROCPATH PATTERN
    if [ -e "$4" ]; then
        sed -i -E "s/^#?[[:space:]]*$6[[:space:]]*=.*/$2=$3/" "$4" || return
        if grep -Fxqs "$2=$3" "$4"; then return 0; fi
        if [ -n "$(tail -c 1 "$4")" ]; then echo >>"$4" || return; fi # the last line has no end
    else
        mkdir -p "${4%/*}" || return
    fi
    printf '%s=%s\n' "$2" "$3" >>"$4"
}

# crypt(3) with the present hash as salt gives the present hash exactly when the password is the same.
password() { # INDEX USER: the password is on standard input, in base64
    said=$(perl -e '
        my ($user, $apply) = @ARGV; local $/; my $coded = <STDIN>;
        $coded =~ tr#A-Za-z0-9+/##cd; $coded =~ tr#A-Za-z0-9+/# -_#; # the alphabet of uuencode
        my $wanted = join "", map { unpack "u", chr(32 + int(length($_) * 3 / 4)) . $_ } $coded =~ /(.{1,60})/g;
        my $hash = (getpwnam $user)[1];
        defined $hash or do { print "there is no user $user"; exit 1 };
        my $made = length $hash > 1 ? crypt($wanted, $hash) : undef;
        exit 0 if defined $made && $made eq $hash;
        print $hash =~ /^[!*]?$/ ? "no password set" : "another password";
        exit 2 unless $apply;
        open my $random, "<", "/dev/urandom" or die; read $random, my $bytes, 12;
        my $salt = unpack "H*", $bytes;
        open my $chpasswd, "|-", "chpasswd", "-e" or die;
        print $chpasswd "$user:", crypt($wanted, "\$6\$" . substr($salt, 0, 16) . "\$"), "\n";
        close $chpasswd or do { print ", and chpasswd failed"; exit 1 };
        exit 3;' "$2" "$apply" 2>&1)
    case $? in
        0) report "$1" unchanged '' ;;
        2) report "$1" would-change "$said" ;;
        3) report "$1" changed "$said" ;;
        *) report "$1" failed "$said" ;;
    esac
}

# --- services: load_N, active_N and enabled_N hold what systemd says of the N-th

systemctl() { # as the program; but whether a unit runs is not asked again while nothing can have changed
    if [ "$changing" = 0 ] && [ $# = 3 ] && [ "$1 $2" = '--quiet is-active' ]; then
        case $units in
            *" $3.service="*) # systemctl(1) takes one that reloads for active as well
                state=${units#*" $3.service="}
                case ${state%% *} in active | reloading) return 0 ;; *) return 3 ;; esac
                ;;
        esac
    fi
    command systemctl "$@"
}

read_units() { # N UNIT...: asks systemd about all at once, and keeps the answers from N on
    number=$1
    shift
    while IFS= read -r line; do
        case $line in
            LoadState=*) eval "load_$number=\${line#*=}" ;;
            ActiveState=*) eval "active_$number=\${line#*=}"; units="$units${1-}=${line#*=} " ;;
            UnitFileState=*) eval "enabled_$number=\${line#*=}" ;;
            '') number=$((number + 1)); [ $# = 0 ] || shift ;;
        esac
    done <<END
$(systemctl show -p LoadState -p ActiveState -p UnitFileState "$@" 2>&1)
END
}

logged() { # UNIT LINES: what the unit logged last, without what only its authors can use
    journalctl -q -b -n 200 -o cat -u "$1" 2>/dev/null | grep -v 'debug: ' | tail -n "$2"
}

read_enabled() { # UNIT STATE: sets $enabled to yes, no or - (cannot be), and $enable to how that is changed
    # systemctl enable also runs update-rc.d where an init script stands beside the unit, and reloads all units: 8 s
    # under emulation, for nothing when there is a native unit (systemd's ENVIRONMENT.md, SYSTEMCTL_SKIP_SYSV). Without
    # the reload systemd goes on showing the old state, so the links themselves are looked at.
    enable='env SYSTEMCTL_SKIP_SYSV=1 systemctl --quiet --no-reload' enabled=no
    case $2 in
        static | alias | indirect) enabled=- ;;
        generated) # an init script alone: enabled when linked in its runlevel (systemd-sysv-generator(8))
            enable='systemctl --quiet'
            for link in /etc/rc3.d/S??"$1"; do [ ! -L "$link" ] || enabled=yes; done
            ;;
        *)
            for link in /etc/systemd/system/*.wants/"$1.service" /etc/systemd/system/*.requires/"$1.service"; do
                [ ! -L "$link" ] || enabled=yes
            done
            ;;
    esac
}

settled() { # NAME: takes a service off those that are to be restarted
    while :; do
        case $notified in
            *" $1 "*) notified="${notified%%" $1 "*} ${notified#*" $1 "}" ;;
            *) return 0 ;;
        esac
    done
}

read_to_restart() { # what an earlier run could not restart any more is restarted now
    [ -r "$to_restart" ] || return 0
    read -r line <"$to_restart"
    notified="$notified$line "
}

leave_to_restart() { # to the next run, when this one stopped before it restarted them: their files are as wanted then
    [ "$apply" = 1 ] || return 0
    if [ "$failures" = 0 ] || [ -z "${notified# }" ]; then rm -f "$to_restart"; return 0; fi
    (umask 077; mkdir -p "${to_restart%/*}"; echo $notified >"$to_restart")
}

restarted() { # INDEX NAME: restarts a service that runs, if a file of it changed after it was looked at
    case $broken in
        *" $2 "*) report "$1" skipped 'a file of it could not be written'; return ;;
    esac
    case $notified in
        *" $2 "*) settled "$2" ;;
        *) report "$1" unchanged ''; return ;;
    esac
    may_change "$1" 'its configuration changed' || return
    if [ "$reload_units" = 1 ]; then systemctl daemon-reload && reload_units=0; fi
    read_units 998 "$2.service"
    case $load_998:$active_998 in
        loaded:active | loaded:reloading | loaded:activating) ;;
        loaded:* | masked:inactive | masked:failed) report "$1" unchanged ''; return ;;
        *) report "$1" failed "systemd says that the unit is ${load_998:-unknown}"; return ;;
    esac
    if attempt systemctl --quiet restart "$2"; then
        report "$1" changed 'its configuration changed'
    else
        reason=$(logged "$2" 3)
        report "$1" failed "systemctl restart $2: ${reason:-$said}"
    fi
}

ask_again() { # UNIT: sets $load, $active and $enabled to what systemd says now
    read_units 999 "$1.service"
    load=${load_999-} active=${active_999-} enabled=${enabled_999-}
}

read_files_anew() { # STATE: lets systemd read its units where one is new, or could not be read as it was before
    case $reload_units:$1 in 0:loaded | 0:not-found | 0:masked) return 0 ;; esac
    systemctl daemon-reload && reload_units=0 changing=1
}

unit() { # INDEX NAME N ENABLED RUNNING PAUSE: yes, no or - (leave); seconds between stop and start
    case $broken in
        *" $2 "*) report "$1" skipped 'a file of it could not be written'; return ;;
    esac
    eval "load=\${load_$3-} active=\${active_$3-} enabled=\${enabled_$3-}"
    if [ "$load" != loaded ] && [ "$apply" = 1 ]; then
        read_files_anew "$load"
        if [ "$changing" = 1 ]; then ask_again "$2"; fi # installed a moment ago, or put right
    fi
    why= todo= restart=restart
    case $load:$4:$5 in
        masked:yes:* | masked:*:yes)
            may_change "$1" masked || return
            attempt systemctl --quiet unmask "$2"
            ask_again "$2"
            why=masked
            ;;
        masked:*) load=loaded enabled=static ;; # which is more than not enabled; it may still run
    esac
    if [ "$load" != loaded ]; then
        case $load:$apply:${missing:+missing}:$4$5 in
            not-found:*:*:nono) report "$1" unchanged '' ;;
            *:0:missing:*) report "$1" would-change 'not installed' ;;
            *) report "$1" failed "systemd says that the unit is ${load:-unknown}" ;;
        esac
        return
    fi
    read_enabled "$2" "$enabled"
    case $active in active | reloading | activating) running=yes ;; *) running=no ;; esac
    [ "$6" = 0 ] || restart='stop pause start'
    case $4:$enabled in
        yes:no) why="${why:+$why, }not enabled at boot" todo=enable ;;
        no:yes) why='enabled at boot' todo=disable ;;
    esac
    case $5:$running in
        yes:no) why="${why:+$why, }not running ($active)" todo="$todo start" ;;
        no:yes) why="${why:+$why, }running" todo="$todo stop" ;;
        yes:yes | -:yes)
            case $notified in
                *" $2 "*) why="${why:+$why, }its configuration changed" todo="$todo $restart" ;;
            esac
            ;;
    esac
    if [ "$reload_units" = 1 ]; then systemctl daemon-reload && reload_units=0; fi
    settled "$2"
    if [ -z "$why" ]; then report "$1" unchanged ''; return; fi
    may_change "$1" "$why" || return
    for verb in $todo; do
        case $verb in
            enable | disable) attempt $enable "$verb" "$2" ;;
            pause) sleep "$6" ;;
            *) attempt systemctl --quiet "$verb" "$2" ;;
        esac && continue
        case $verb in
            enable | disable) reason= ;; # of which the unit's own log knows nothing
            *) reason=$(logged "$2" 3) ;;
        esac
        report "$1" failed "systemctl $verb $2: ${reason:-$said}"
        return
    done
    report "$1" changed "$why"
}

# --- commands and states to wait for; both take the condition as a function

command_done() { # INDEX [SECONDS]: runs "run_INDEX" unless "unless_INDEX" succeeds; with SECONDS it must succeed then
    if "unless_$1" >/dev/null 2>&1 </dev/null; then report "$1" unchanged ''; return; fi
    may_change "$1" 'not done' || return
    if [ $# = 2 ]; then attempt_alone "run_$1"; else attempt "run_$1"; fi
    code=$?
    case $#:$code in
        1:0) report "$1" changed 'was not done' ;;
        2:0)
            if told=$("unless_$1" 2>&1 </dev/null); then report "$1" changed 'was not done'; return; else code=$?; fi
            said=${said:+$said; }$(printf %s "$told" | tail -n 5)
            report "$1" failed "was done, but is not so afterwards: ${said:-exit code $code}"
            ;;
        2:124) report "$1" failed "did not end within $2 s: $said" ;;
        2:*) report "$1" failed "${said:-exit code $code}" ;;
        *) report "$1" failed "$said" ;;
    esac
}

await() { # INDEX SECONDS NUDGE UNIT: until the function "until_INDEX" succeeds; "nudge_INDEX" each NUDGE seconds
    if [ "$failures" -gt 0 ]; then report "$1" skipped 'not waited for, because something failed'; return; fi
    if "until_$1" >/dev/null 2>&1 </dev/null; then report "$1" unchanged ''; return; fi
    may_change "$1" 'is not so now' || return
    seconds
    began=$now nudge=$3 next=$now
    [ "$nudge" = - ] || next=$((now + nudge))
    until "until_$1" >/dev/null 2>&1 </dev/null; do
        seconds
        if [ "$((now - began))" -ge "$2" ]; then
            said=$("until_$1" 2>&1 </dev/null | tail -n 2; [ "$4" = - ] || logged "$4" 6)
            report "$1" failed "did not come about within $2 s: $said"
            return
        fi
        if [ "$nudge" != - ] && [ "$now" -ge "$next" ]; then
            attempt "nudge_$1"
            next=$((now + nudge))
        fi
        sleep 0.3
    done
    seconds
    report "$1" changed "after $((now - began)) s"
}
