package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

//go:generate sh -c "go run ./generate > visitors.jsonl"

//go:embed visitors.jsonl
var bundled []byte

// An id is text, or a number taken for text.
type id string

// UnmarshalJSON reads text that is not empty, or a number.
func (i *id) UnmarshalJSON(b []byte) error {
	var number json.Number
	err := json.Unmarshal(b, (*string)(i))
	if err != nil && json.Unmarshal(b, &number) == nil {
		*i, err = id(number), nil
	}
	if err != nil {
		return errors.New(`"id" is neither text nor a number`)
	}
	return nil
}

// maxLine is the most bytes a line may have; longer ones are skipped.
const maxLine = 1 << 20

// read reads visitors as JSON lines. Empty lines are nothing; bad ones go to
// skip with their number, which counts from 1. The error is the reader's.
func read(from io.Reader, skip func(line int, why error)) ([]visitor, error) {
	var visitors []visitor
	in := bufio.NewReaderSize(from, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		tooLong := err == bufio.ErrBufferFull
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return visitors, err
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\uFEFF")) // which some editors write
		}
		if tooLong {
			skip(n, fmt.Errorf("has more than %d bytes", maxLine))
		} else if len(bytes.TrimSpace(line)) > 0 {
			v, why := parse(line)
			if why != nil {
				skip(n, why)
			} else {
				visitors = append(visitors, v)
			}
		}
		if err == io.EOF {
			return visitors, nil
		}
	}
}

func parse(line []byte) (v visitor, err error) {
	err = json.Unmarshal(line, &v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return v, fmt.Errorf("%q can't be of type %s", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return v, fmt.Errorf("has to be an object, not of type %s", wrong.Value)
	case err == nil && v.ID == "":
		return v, errors.New(`has no "id"`)
	}
	return v, err
}
