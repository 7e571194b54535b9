#include "ops/http/curl_library.h"

#include <dlfcn.h>

#include <string>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

constexpr const char* kFile = "libcurl.so.4";
constexpr unsigned kOldest = 0x075500;  // 7.85: CURLOPT_PROTOCOLS_STR

[[noreturn]] void refuse(const std::string& what) {
  throw UnavailableError(
      "H009", kFile, what,
      "install libcurl 7.85 or newer (on Debian and Ubuntu the package libcurl4)");
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) refuse(std::string("this libcurl has no ") + name);
}

CurlLibrary open_library() {
  void* library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    refuse(std::string("cannot be loaded: ") +
           (reason != nullptr ? shown(reason, 200) : "no reason"));
  }
  CurlLibrary result{};
  find(library, "curl_global_init", result.global_init);
  find(library, "curl_slist_append", result.slist_append);
  find(library, "curl_slist_free_all", result.slist_free_all);
  find(library, "curl_easy_init", result.easy_init);
  find(library, "curl_easy_cleanup", result.easy_cleanup);
  find(library, "curl_easy_setopt", result.easy_setopt);
  find(library, "curl_easy_perform", result.easy_perform);
  find(library, "curl_easy_getinfo", result.easy_getinfo);
  find(library, "curl_easy_strerror", result.easy_strerror);
  find(library, "curl_multi_init", result.multi_init);
  find(library, "curl_multi_cleanup", result.multi_cleanup);
  find(library, "curl_multi_add_handle", result.multi_add_handle);
  find(library, "curl_multi_remove_handle", result.multi_remove_handle);
  find(library, "curl_multi_perform", result.multi_perform);
  find(library, "curl_multi_poll", result.multi_poll);
  find(library, "curl_multi_info_read", result.multi_info_read);
  decltype(&curl_version_info) version_info = nullptr;
  find(library, "curl_version_info", version_info);
  const auto* version = version_info(CURLVERSION_NOW);
  if (version->version_num < kOldest)
    refuse(std::string("this is libcurl ") + version->version + ", which is too old");
  if (result.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) refuse("libcurl does not start");
  return result;
}

}  // namespace

const CurlLibrary& curl() {
  static const CurlLibrary library = open_library();
  return library;
}

}  // namespace slmtune::ops
