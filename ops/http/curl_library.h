// libcurl, opened when a command reads the network: linked, it and the thirty libraries it brings
// would double the time that `slmtune --help` takes, and a machine that never pulls need not have
// it.
//
//   CURL* handle = curl().easy_init();
#pragma once
#include <curl/curl.h>

namespace slmtune::ops {

// Members are libcurl's functions of the same name, without "curl_".
struct CurlLibrary {
  decltype(&curl_global_init) global_init;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_multi_init) multi_init;
  decltype(&curl_multi_cleanup) multi_cleanup;
  decltype(&curl_multi_add_handle) multi_add_handle;
  decltype(&curl_multi_remove_handle) multi_remove_handle;
  decltype(&curl_multi_perform) multi_perform;
  decltype(&curl_multi_poll) multi_poll;
  decltype(&curl_multi_info_read) multi_info_read;
};

// Opened and started at the first call, from one thread. UnavailableError H009 when it is not
// installed or too old.
const CurlLibrary& curl();

}  // namespace slmtune::ops
