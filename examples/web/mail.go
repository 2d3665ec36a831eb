package main

import (
	"context"
	"log"
	"net/http"
	"slices"
	"strings"
	"text/template"
)

var texts = template.Must(template.ParseFS(files, "pages/*.txt"))

// A letter is a mail that was sent.
type letter struct{ To, Text, Link string }

// sendMails is the job that writes to new users, until the queue is closed.
func (s *shop) sendMails() {
	for u := range s.mails {
		if err := s.write(context.Background(), u); err != nil {
			log.Print(err)
		}
	}
}

// region mail

// write sends one mail. There is no request here, and none is needed: the unit
// is known, and links are signed.
func (s *shop) write(ctx context.Context, u *user) error {
	t := s.mail.For(u)
	template, err := t.Run(ctx)
	if err != nil {
		return err
	}
	link, err := s.site.LinkURL(t.Signature(ctx), s.base+"/guide")
	if err != nil {
		return err
	}
	return s.post(template, letter{To: u.Name, Link: link})
}

// endregion

// post puts a letter into the outbox.
func (s *shop) post(template string, l letter) error {
	var b strings.Builder
	if err := texts.ExecuteTemplate(&b, template, l); err != nil {
		return err
	}
	l.Text = b.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox = append(s.outbox, l)
	return nil
}

func (s *shop) showOutbox(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	letters := slices.Clone(s.outbox)
	s.mu.Unlock()
	s.show(w, r, "outbox.html", letters)
}
