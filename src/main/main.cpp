#include "mailboxfs/cli/cli.h"

int main(int argc, char** argv) { return mailboxfs::cli::Main(argc, argv); }
