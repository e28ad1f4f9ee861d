/* Times by arithmetic on the proleptic Gregorian calendar; libc's time zone state is never touched, so any thread may
 * call this at any moment. */
#include "base/when.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t when_now(const struct when_clock *clock)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * WHEN_SECOND + now.tv_nsec / 1000000 + clock->shift_ms;
}

int64_t when_monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct civil {
    int year, month, day;
};

/* Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last, in eras of 400 years. */
static int64_t days_of(struct civil date)
{
    int year = date.month <= 2 ? date.year - 1 : date.year;
    int era = (year >= 0 ? year : year - 399) / 400;
    int year_of_era = year - era * 400;
    int day_of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (int64_t)era * 146097 + day_of_era - 719468;
}

/* The other way round, for days of the years 1 to 9999. */
static struct civil date_of(int64_t days)
{
    int shifted = (int)days + 719468;
    int era = shifted / 146097;
    int day_of_era = shifted % 146097;
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153;
    struct civil date = { .day = day_of_year - (153 * month + 2) / 5 + 1 };

    date.month = month < 10 ? month + 3 : month - 9;
    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

static bool is_real(struct civil date)
{
    static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);

    if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1)
        return false;
    return date.day <= month_days[date.month - 1] + (leap && date.month == 2);
}

/* Takes exactly `count` digits from the front. */
static bool take_digits(struct str *text, size_t count, int *out)
{
    int value = 0;

    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (text->at[i] < '0' || text->at[i] > '9')
            return false;
        value = value * 10 + (text->at[i] - '0');
    }
    text->at += count;
    text->len -= count;
    *out = value;
    return true;
}

static bool take_byte(struct str *text, const char *allowed)
{
    if (text->len == 0 || text->at[0] == '\0' || !strchr(allowed, text->at[0]))
        return false;
    text->at++;
    text->len--;
    return true;
}

static bool take_date(struct str *text, int64_t *days)
{
    struct civil date;

    if (!take_digits(text, 4, &date.year) || !take_byte(text, "-") || !take_digits(text, 2, &date.month) ||
        !take_byte(text, "-") || !take_digits(text, 2, &date.day) || !is_real(date))
        return false;
    *days = days_of(date);
    return true;
}

/* Milliseconds of a fraction, where there is one. */
static bool take_fraction(struct str *text, int *ms)
{
    int digit, unit = 100;

    *ms = 0;
    if (!take_byte(text, "."))
        return true;
    if (!take_digits(text, 1, &digit))
        return false;
    do {
        *ms += digit * unit;
        unit /= 10;
    } while (take_digits(text, 1, &digit));
    return true;
}

static bool take_time(struct str *text, int64_t *ms)
{
    int hour, minute, second, fraction;

    if (!take_digits(text, 2, &hour) || !take_byte(text, ":") || !take_digits(text, 2, &minute) ||
        !take_byte(text, ":") || !take_digits(text, 2, &second) || !take_fraction(text, &fraction))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (second == 60)
        second = 59;
    *ms = hour * WHEN_HOUR + minute * WHEN_MINUTE + second * WHEN_SECOND + fraction;
    return true;
}

static bool take_offset(struct str *text, int64_t *ms)
{
    int hour, minute;
    bool west = text->len > 0 && text->at[0] == '-';

    *ms = 0;
    if (take_byte(text, "Zz"))
        return true;
    if (!take_byte(text, "+-") || !take_digits(text, 2, &hour))
        return false;
    (void)take_byte(text, ":"); /* WebEngage's own form has none */
    if (!take_digits(text, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ms = (west ? -1 : 1) * (hour * WHEN_HOUR + minute * WHEN_MINUTE);
    return true;
}

static int64_t first_ms(void)
{
    return days_of((struct civil){ 1, 1, 1 }) * WHEN_DAY;
}

static int64_t last_ms(void)
{
    return (days_of((struct civil){ 9999, 12, 31 }) + 1) * WHEN_DAY - 1;
}

bool when_read(struct str text, int64_t *out)
{
    int64_t days, ms, offset;

    if (!take_date(&text, &days) || !take_byte(&text, "Tt") || !take_time(&text, &ms) || !take_offset(&text, &offset) ||
        text.len > 0)
        return false;
    int64_t moment = days * WHEN_DAY + ms - offset;
    /* An offset can leave the years that we are able to write again. */
    if (moment < first_ms() || moment > last_ms())
        return false;
    *out = moment;
    return true;
}

bool when_is_day(struct str text)
{
    int64_t days;

    return take_date(&text, &days) && text.len == 0;
}

static char *put_digits(char *at, int value, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

/* Times outside the years 1 to 9999 have no RFC 3339 form: they are written as the nearest that has one. */
size_t when_write(int64_t unix_ms, char *out)
{
    int64_t moment = unix_ms < first_ms() ? first_ms() : unix_ms > last_ms() ? last_ms() : unix_ms;
    int64_t days = moment / WHEN_DAY - (moment % WHEN_DAY < 0);
    int rest = (int)(moment - days * WHEN_DAY);
    struct civil date = date_of(days);
    const struct {
        int value;
        size_t count;
        char behind;
    } parts[] = {
        { date.year, 4, '-' },      { date.month, 2, '-' },        { date.day, 2, 'T' },
        { rest / 3600000, 2, ':' }, { rest / 60000 % 60, 2, ':' }, { rest / 1000 % 60, 2, '.' },
        { rest % 1000, 3, 'Z' },
    };
    char *at = out;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        at = put_digits(at, parts[i].value, parts[i].count);
        *at++ = parts[i].behind;
    }
    *at = '\0';
    return (size_t)(at - out);
}

bool when_read_span(struct str text, int64_t *out_ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = { { 'd', WHEN_DAY }, { 'h', WHEN_HOUR }, { 'm', WHEN_MINUTE }, { 's', WHEN_SECOND } };
    const int64_t span_max = 36500 * WHEN_DAY;
    uint64_t number;

    if (str_equal(text, STR("0"))) {
        *out_ms = 0;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (text.len < 2 || text.at[text.len - 1] != units[i].letter)
            continue;
        if (!str_to_u64((struct str){ text.at, text.len - 1 }, &number) || number > (uint64_t)(span_max / units[i].ms))
            return false;
        *out_ms = (int64_t)number * units[i].ms;
        return true;
    }
    return false;
}

static bool is_zone_name(struct str name)
{
    /* Below the same folder, but no names of the IANA database. */
    static const char *const others[] = { "posix/", "right/", "posixrules", "localtime" };

    if (name.len == 0 || name.len > 64 || name.at[0] == '/' || name.at[name.len - 1] == '/')
        return false;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_starts(name, str_of(others[i])))
            return false;
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.at[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');

        /* No dot is allowed at all, so none leads upward. */
        if (!letter && byte != '_' && byte != '+' && byte != '-' && byte != '/')
            return false;
    }
    return true;
}

static bool is_zone_file(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat found;
    char magic[4] = "";

    if (file < 0)
        return false;
    bool is_zone = fstat(file, &found) == 0 && S_ISREG(found.st_mode) && read(file, magic, sizeof(magic)) == 4 &&
                   memcmp(magic, "TZif", 4) == 0;
    close(file);
    return is_zone;
}

bool when_zone_exists(struct str name)
{
    char path[128];

    if (str_equal(name, STR("UTC")))
        return true;
    if (!is_zone_name(name))
        return false;
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", STR_ARG(name));
    return is_zone_file(path);
}
