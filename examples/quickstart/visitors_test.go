package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	long := strings.Repeat(" ", 3*maxLine) + "\n"
	for _, test := range []struct {
		in      string
		want    []visitor
		skipped []string
	}{
		{in: ""},
		{in: "\n \r\n"},
		{in: `{"id":"ada"}`, want: []visitor{{ID: "ada"}}},
		{in: "\uFEFF" + `{"id":"ada"}` + "\r\n", want: []visitor{{ID: "ada"}}},
		{in: `{"id":"ada","since":2021,"customer":true,"force":"red","shoe":42}`,
			want: []visitor{{ID: "ada", Since: 2021, Customer: true, Force: "red"}}},
		{in: `{"id":42}`, want: []visitor{{ID: "42"}}},
		{in: "bad\n" + `{"id":"ada"}` + "\n{", want: []visitor{{ID: "ada"}},
			skipped: []string{"1: invalid character 'b' looking for beginning of value", "3: unexpected end of JSON input"}},
		{in: `{"id":""}` + "\n{}\n" + `{"id":null}` + "\nnull\n", skipped: []string{
			`1: has no "id"`, `2: has no "id"`, `3: has no "id"`, `4: has no "id"`}},
		{in: `{"id":true}` + "\n" + `{"id":["ada"]}`, skipped: []string{
			`1: "id" is neither text nor a number`, `2: "id" is neither text nor a number`}},
		{in: "[]\n" + `{"id":"ada","since":"yesterday"}`, skipped: []string{
			"1: has to be an object, not of type array", `2: "since" can't be of type string`}},
		{in: `{"id":"ada"} {"id":"bob"}`, skipped: []string{"1: invalid character '{' after top-level value"}},
		{in: long + `{"id":"ada"}` + "\n" + strings.TrimSuffix(long, "\n"), want: []visitor{{ID: "ada"}},
			skipped: []string{"1: has more than 1048576 bytes", "3: has more than 1048576 bytes"}},
	} {
		var skipped []string
		got, err := read(strings.NewReader(test.in), func(line int, why error) {
			skipped = append(skipped, fmt.Sprintf("%d: %v", line, why))
		})
		require.NoError(t, err)
		require.Equal(t, test.want, got, "%.100s", test.in)
		require.Equal(t, test.skipped, skipped, "%.100s", test.in)
	}
}
