// Command generate writes the visitors of the quickstart, always the same, as
// JSON lines to standard output.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	visitors(out, 10_000)
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// visitors writes n visitors: one in seven is a customer already, accounts are
// up to twelve years old, most of them young, and a few visitors of the shop's
// own staff ask for a colour to look at.
func visitors(w io.Writer, n int) {
	random := rand.New(rand.NewPCG(2026, 10_000)) // PCG yields the same in every release of Go
	colors := []string{"control", "red", "blue", "green"}
	for i := range n {
		age := min(random.IntN(13), random.IntN(13))
		fmt.Fprintf(w, `{"id":"visitor-%05d","since":%d`, i+1, 2026-age)
		if random.IntN(7) == 0 {
			fmt.Fprint(w, `,"customer":true`)
		}
		if random.IntN(400) == 0 {
			fmt.Fprintf(w, `,"force":%q`, colors[random.IntN(len(colors))])
		}
		fmt.Fprintln(w, "}")
	}
}
