/* The only C++ of the product: simdjson's stage 1, chosen for the processor it runs on. Stage 2 stays unused, as it
 * turns numbers into doubles and copies every string. What stage 1 promises when it succeeds: the whole text is
 * UTF-8 wherever a string stands, strings are closed and hold no raw control characters. What it leaves to the caller:
 * escapes, numbers, atoms, the order of the marks, and bytes that are no JSON at all. A quote that directly follows a
 * number or an atom is not in the index, and form feed and U+001A may be, as if they were marks. */
#include "base/json_shim.h"

#include <memory>
#include <new>

#include <simdjson.h>

namespace
{
constexpr size_t capacity_min = 64 * 1024;
/* The index takes four bytes for each byte of text: above this it is given back after a large body. */
constexpr size_t capacity_kept = 1024 * 1024;

size_t capacity_for(size_t len)
{
    size_t capacity = capacity_min;

    while (capacity < len)
        capacity *= 2;
    return capacity < simdjson::SIMDJSON_MAXSIZE_BYTES ? capacity : simdjson::SIMDJSON_MAXSIZE_BYTES;
}

json_shim_result result_of(simdjson::error_code code)
{
    switch (code) {
    case simdjson::SUCCESS:
        return JSON_SHIM_OK;
    case simdjson::EMPTY:
        return JSON_SHIM_EMPTY;
    case simdjson::CAPACITY:
        return JSON_SHIM_TOO_LARGE;
    case simdjson::MEMALLOC:
        return JSON_SHIM_NO_MEMORY;
    default:
        return JSON_SHIM_MALFORMED;
    }
}
} // namespace

struct json_shim {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

struct json_shim *json_shim_new(void)
{
    std::unique_ptr<json_shim> shim(new (std::nothrow) json_shim);

    if (!shim)
        return nullptr;
    /* Depth serves stage 2 only. */
    auto code = simdjson::get_active_implementation()->create_dom_parser_implementation(capacity_min, 1, shim->parser);
    return code == simdjson::SUCCESS ? shim.release() : nullptr;
}

void json_shim_free(struct json_shim *shim)
{
    delete shim;
}

enum json_shim_result json_shim_scan(struct json_shim *shim, const char *text, size_t len, struct json_index *index)
{
    auto &parser = *shim->parser;

    if (len == 0)
        return JSON_SHIM_EMPTY;
    if (len > simdjson::SIMDJSON_MAXSIZE_BYTES)
        return JSON_SHIM_TOO_LARGE;
    if (parser.capacity() < len || (parser.capacity() > capacity_kept && len <= capacity_kept)) {
        auto code = parser.set_capacity(capacity_for(len));
        if (code != simdjson::SUCCESS)
            return result_of(code);
    }
    auto code = parser.stage1(reinterpret_cast<const uint8_t *>(text), len, simdjson::stage1_mode::regular);
    if (code != simdjson::SUCCESS)
        return result_of(code);
    /* simdjson has room for such end marks of its own. */
    parser.structural_indexes[parser.n_structural_indexes] = static_cast<uint32_t>(len);
    *index = { parser.structural_indexes.get(), parser.n_structural_indexes };
    return JSON_SHIM_OK;
}
