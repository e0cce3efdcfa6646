// libpq as Debian's libpq-dev installs it. The path is spelled out so that building needs no
// pkg-config.
#include <postgresql/libpq-fe.h>
