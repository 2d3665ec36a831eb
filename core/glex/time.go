package glex

import (
	"fmt"
	"time"

	"github.com/rolloutkit/rolloutkit/core"
)

// Date returns an attribute whose value is a Date in Ruby: 2020-01-02.
func Date(name string, year int, month time.Month, day int) core.Attr {
	return core.String(name, string(appendDate(nil, year, month, day)))
}

// Time returns an attribute whose value is a Time in Ruby, which the gem knows
// to the second: 2020-01-02 03:04:05 +0200, and UTC in place of the offset if
// t's location is [time.UTC].
func Time(name string, t time.Time) core.Attr {
	return core.String(name, string(appendTime(nil, t, t.Location() == time.UTC)))
}

// TimeWithZone returns an attribute whose value is an
// ActiveSupport::TimeWithZone in Ruby, as timestamps of records are:
// 2020-01-01 22:04:05 -0500, and UTC in place of the offset if t's zone is
// abbreviated UTC or UCT.
func TimeWithZone(name string, t time.Time) core.Attr {
	zone, _ := t.Zone()
	return core.String(name, string(appendTime(nil, t, zone == "UTC" || zone == "UCT")))
}

// DateTime returns an attribute whose value is a DateTime in Ruby, which the
// gem knows to the second: 2020-01-02T03:04:05+00:00.
func DateTime(name string, t time.Time) core.Attr {
	b := appendDate(nil, t.Year(), t.Month(), t.Day())
	b = fmt.Appendf(b, "T%02d:%02d:%02d", t.Hour(), t.Minute(), t.Second())
	return core.String(name, string(appendOffset(b, t, ":")))
}

func appendTime(b []byte, t time.Time, utc bool) []byte {
	b = appendDate(b, t.Year(), t.Month(), t.Day())
	b = fmt.Appendf(b, " %02d:%02d:%02d ", t.Hour(), t.Minute(), t.Second())
	if utc {
		return append(b, "UTC"...)
	}
	return appendOffset(b, t, "")
}

// appendDate writes years before 0 with four digits after the sign, as Ruby
// does and package time does not.
func appendDate(b []byte, year int, month time.Month, day int) []byte {
	if year < 0 {
		b, year = append(b, '-'), -year
	}
	return fmt.Appendf(b, "%04d-%02d-%02d", year, int(month), day)
}

// appendOffset drops the seconds of historic offsets and keeps the sign of one
// below a minute, as Ruby does.
func appendOffset(b []byte, t time.Time, colon string) []byte {
	_, offset := t.Zone()
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Appendf(b, "%c%02d%s%02d", sign, offset/3600, colon, offset%3600/60)
}
