"""The keywords of sshd_config(5) of OpenSSH 9.2 with Debian's and GSSAPI's (keywords[] of servconf.c), small letters."""

from __future__ import annotations

# Those that may not stand in a Match block (SSHCFG_GLOBAL).
GLOBAL = frozenset(
    """
    addressfamily casignaturealgorithms ciphers compression debianbanner
    fingerprinthash gssapicleanupcreds gssapicleanupcredentials gssapikexalgorithms gssapikeyexchange
    gssapistorecredentialsonrekey gssapistrictacceptorcheck gssusesessionccache gssapiusesessioncredcache
    hostcertificate hostkey hostkeyagent hostkeyalgorithms ignoreuserknownhosts kerberosgetafstoken
    kerberosorlocalpasswd kerberosticketcleanup kexalgorithms listenaddress logingracetime macs maxstartups
    modulifile permituserenvironment persourcemaxstartups persourcenetblocksize pidfile port printlastlog
    printmotd requiredrsasize securitykeyprovider strictmodes subsystem syslogfacility tcpkeepalive usedns usepam
    versionaddendum x11uselocalhost xauthlocation
    """.split()
)

_IN_MATCH = frozenset(
    """
    acceptenv allowagentforwarding allowgroups allowstreamlocalforwarding allowtcpforwarding allowusers
    authenticationmethods authorizedkeyscommand authorizedkeyscommanduser authorizedkeysfile authorizedprincipalscommand
    authorizedprincipalscommanduser authorizedprincipalsfile banner channeltimeout chrootdirectory
    clientalivecountmax clientaliveinterval denygroups denyusers disableforwarding exposeauthinfo forcecommand
    gatewayports gssapiauthentication hostbasedacceptedalgorithms hostbasedacceptedkeytypes hostbasedauthentication
    hostbasedusesnamefrompacketonly ignorerhosts include ipqos kbdinteractiveauthentication
    challengeresponseauthentication skeyauthentication kerberosauthentication loglevel logverbose match maxauthtries
    maxsessions passwordauthentication permitemptypasswords permitlisten permitopen permitrootlogin permittty
    permittunnel permituserrc pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication pubkeyauthoptions
    dsaauthentication rdomain rekeylimit revokedkeys setenv streamlocalbindmask streamlocalbindunlink trustedusercakeys
    unusedconnectiontimeout x11displayoffset x11forwarding
    """.split()
)
_PASSED_OVER = frozenset(
    """
    afstokenpassing authorizedkeysfile2 checkmail hostdsakey kerberostgtpassing keyregenerationinterval
    pamauthenticationviakbdint permitblacklistedkeys protocol reversemappingcheck rhostsauthentication
    rhostsrsaauthentication rsaauthentication serverkeybits uselogin useprivilegeseparation verifyreversemapping
    """.split()
)
KEYWORDS = GLOBAL | _IN_MATCH | _PASSED_OVER
