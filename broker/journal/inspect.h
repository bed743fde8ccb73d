// Looks at a journal without changing it: a verdict with counts, or every row as a line of JSON. Works on a
// copy (journal.sqlite with its -wal) and beside a running broker.
//
// Thread: one.
#pragma once

#include <cstdio>
#include <string>

namespace answermill::broker {

// Prints what is there and whether it is whole. Returns the exit code: 0 whole, 1 damaged or not there.
int check_journal(const std::string& path, std::FILE* out);

// One object per line: requests, groups, streams, jobs, and what was set aside. Rows that do not fit their
// checksum come with "intact": false. Payloads and other binary fields are base64. Returns as above.
int export_journal(const std::string& path, std::FILE* out);

}  // namespace answermill::broker
