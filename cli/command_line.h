// CLI11, for the files that declare options. It is header-only and costs ten seconds a file to
// compile, so no other header of this folder brings it in.
#pragma once
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
