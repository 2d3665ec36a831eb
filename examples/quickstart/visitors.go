package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// A visitor of the shop, as one line of the input says.
type visitor struct {
	ID       id     `json:"id"`       // text or a number
	Since    int    `json:"since"`    // year in which the account was made; 0 for none
	Customer bool   `json:"customer"` // has bought something already
	Force    string `json:"force"`    // the variant a colleague wants to look at
}

// An id is text, or a number taken for text.
type id string

// UnmarshalJSON reads text or a number.
func (i *id) UnmarshalJSON(b []byte) error {
	var number json.Number
	if json.Unmarshal(b, (*string)(i)) == nil {
		return nil
	}
	err := json.Unmarshal(b, &number)
	*i = id(number)
	return err
}

// load returns the visitors of a file, of stdin for "-", or those that come with
// the program, and says which. It tells of the first ten bad lines.
func load(file string, stdin io.Reader, stderr io.Writer) (visitors []visitor, from string, skipped int, err error) {
	if file == "" {
		return bundled(), "bundled", 0, nil
	}
	from = "from stdin"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", 0, fmt.Errorf("can't read the visitors: %w", err)
		}
		defer func() { _ = f.Close() }()
		stdin, from = f, "from "+file
	}
	visitors, err = read(stdin, func(line int, why error) {
		if skipped++; skipped <= 10 {
			fmt.Fprintf(stderr, "line %d skipped: %v\n", line, why)
		}
	})
	if skipped > 10 {
		fmt.Fprintf(stderr, "%s more lines skipped\n", thousands(skipped-10))
	}
	switch {
	case err != nil:
		err = fmt.Errorf("can't read the visitors: %w", err)
	case len(visitors) == 0:
		err = fmt.Errorf("no visitors %s", from)
	}
	return visitors, from, skipped, err
}

// bundled returns ten thousand visitors, always the same: one in seven is a
// customer already, accounts are up to twelve years old, most of them young, and
// a few of the shop's own staff ask for a colour to look at.
func bundled() []visitor {
	random := rand.New(rand.NewPCG(2026, 10_000)) // PCG yields the same in every release of Go
	visitors := make([]visitor, 10_000)
	for i := range visitors {
		age := min(random.IntN(13), random.IntN(13))
		v := visitor{ID: id(fmt.Sprintf("visitor-%05d", i+1)), Since: 2026 - age, Customer: random.IntN(7) == 0}
		if random.IntN(400) == 0 {
			v.Force = variants[random.IntN(len(variants))]
		}
		visitors[i] = v
	}
	return visitors
}

// read reads visitors as JSON lines. Empty lines are nothing; bad ones go to
// skip with their number, which counts from 1. The error is the reader's.
func read(from io.Reader, skip func(line int, why error)) (visitors []visitor, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		v, err := parse(line)
		if err != nil {
			skip(n, err)
			continue
		}
		visitors = append(visitors, v)
	}
	return visitors, lines.Err()
}

func parse(line []byte) (v visitor, err error) {
	err = json.Unmarshal(line, &v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return v, fmt.Errorf("%q can't be of type %s", wrong.Field, wrong.Value)
	case err == nil && v.ID == "":
		return v, errors.New(`has no "id"`)
	}
	return v, err
}
