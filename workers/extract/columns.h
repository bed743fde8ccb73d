// Finds columns of prose on a page in physical layout and puts them in reading order.
//
// Physical layout keeps a table's label and numbers on one line, which answers need; the price is that two
// columns of prose share lines too. So they are told apart by what stands on both sides of a gutter. Thread:
// pure.
#pragma once

#include <string>
#include <vector>

namespace answermill::extract {

using Lines = std::vector<std::u32string>;

// The same lines, or, when the page is set in two columns, the left column of each band before its right one.
Lines in_reading_order(Lines lines);

}  // namespace answermill::extract
