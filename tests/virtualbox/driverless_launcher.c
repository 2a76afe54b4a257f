/*
 * Stands in for VBoxHeadless on machines without VirtualBox's kernel driver.
 *
 * VirtualBox's own launcher insists on the driver; its libraries do not. This one initialises the run time in
 * "driverless" mode (SUPR3INIT_F_DRIVERLESS and SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED in VBox/sup.h) and then runs the same
 * front end, so that a VM whose execution engine is the interpreter really starts.
 *
 * Build: cc -o VBoxHeadless driverless_launcher.c -ldl
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#ifndef VBOX_LIBRARIES
#define VBOX_LIBRARIES "/usr/lib/virtualbox"
#endif
#define DRIVERLESS ((1u << 2) | (1u << 3))

static void *symbol(const char *library, const char *name)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    void *found = handle ? dlsym(handle, name) : NULL;
    if (!found)
        fprintf(stderr, "VBoxHeadless (driverless): %s: %s\n", name, dlerror());
    return found;
}

int main(int argc, char **argv, char **envp)
{
    int (*init_runtime)(int, char ***, uint32_t) = symbol(VBOX_LIBRARIES "/VBoxRT.so", "RTR3InitExe");
    int (*init_support)(uint32_t, void **) = symbol(VBOX_LIBRARIES "/VBoxRT.so", "SUPR3InitEx");
    int (*trusted_main)(int, char **, char **);
    if (!init_runtime || !init_support || init_runtime(argc, &argv, 0) < 0 || init_support(DRIVERLESS, NULL) < 0)
        return 1;
    trusted_main = symbol(VBOX_LIBRARIES "/VBoxHeadless.so", "TrustedMain");
    return trusted_main ? trusted_main(argc, argv, envp) : 1;
}
