# Put behind vboxlab/guest/facts.sh, whose function and variables it uses.

heartbeat_keys() { # PATH: rights and text of authkeys, with `*` for every word that may be a secret
    if [ ! -f "$root$1" ]; then return; fi
    # Of what is too long for one line of Heartbeat's the length matters. Numbers of more digits are none of a key.
    text=$(head -c 65536 "$root$1" | perl -ne '
        my $long = length > 5000;
        my $kept = "";
        if (s/^(\s*#)//) { $kept = $1 }
        elsif (s/^(\s*a)//) { $kept = $1; $kept .= $1 if s/^(uth\s*[+-]?\d{1,3})(?!\d)// }
        elsif (s/^(\s*[+-]?\d{1,3})(?=[\s\0]|\z|md5|sha1|crc)//) { $kept = $1; $kept .= $1 if s/^(\s*(?:md5|sha1|crc))(?=[\s\0]|\z)// }
        s/[^\s\0]+/$long ? "*" x length($&) : "*"/ge;
        print $kept, $_;
    ' | base64 -w 0)
    printf 'said\tauthkeys\t%s\t%s\n' "$(rights "$1")" "$text"
}

heartbeat_digests() { # PATH: of each key's line its secret's digest, keyed by the nonce, to compare nodes by
    if [ -z "$nonce" ] || [ ! -f "$root$1" ]; then return; fi
    # sha256sum writes to where perl writes, so nothing of perl's may wait.
    head -c 65536 "$root$1" | nonce=$nonce perl -ne '
        BEGIN { $| = 1 }
        next if length > 5000;
        s/\0.*//s;
        if (/^\s*[+-]?\d+\s*(?:md5|sha1)\s+(\S+)/) {
            my $secret = $1;
            print "said\tauthkeys-digest\t$.\t";
            open my $sum, "|-", "sha256sum" or die;
            print $sum $ENV{nonce}, $secret;
            close $sum;
        }
    '
}

heartbeat_scripts() { # names of the scripts that Heartbeat finds services by
    set --
    for script in "$root"/etc/init.d/*; do
        if [ -f "$script" ] && [ -x "$script" ]; then set -- "$@" "${script##*/}"; fi
    done
    if [ "$#" -gt 0 ]; then printf 'said\tscripts\t%s\n' "$*"; fi
}
