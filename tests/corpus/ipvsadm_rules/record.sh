# What ipvsadm and the kernel make of rules at boot, as /etc/init.d/ipvsadm loads them; each in a table of its own.
# Prints for each variant: its name, the exit code, and in base64 what `ipvsadm -Sn` lists, the servers' thresholds,
# which that leaves out, and the complaints.
export LC_ALL=C.UTF-8
for variant in variants/*; do
    unshare -n sh -c '
        ip link set lo up
        printf "%s\t" "${1##*/}"
        grep -v "^#" "$1" 2>/tmp/complaints | timeout 20 /sbin/ipvsadm -R >/tmp/said 2>>/tmp/complaints
        printf "%s\t%s\t%s\t%s\n" "$?" "$(ipvsadm -Sn | base64 -w 0)" \
            "$(ipvsadm -Ln --thresholds | base64 -w 0)" "$(base64 -w 0 /tmp/complaints)"
    ' record "$variant"
done
