//! Arguments, commands, output, exit codes.
