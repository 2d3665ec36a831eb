# frozen_string_literal: true

# Prints cookies as Rails signs them, one JSON object a line, for
# rails_cookies.json. It needs actionpack and activesupport, of Debian's
# ruby-actionpack or, by -I, of another version:
#
#   ruby rails_cookies.rb

require 'json'
require 'logger'
require 'active_support'
require 'active_support/all'
require 'active_support/key_generator'
require 'active_support/message_encryptor'
require 'active_support/messages/rotation_configuration'
require 'action_dispatch'
require 'action_dispatch/middleware/cookies'

SECRET = 'cafe' * 32
NAME = 'gitlab_pill_color_id'
ID = '01234567-89ab-4cde-8f01-23456789abcd'

# What an application configures, and what the call says. The defaults are the
# gem's call in an application with the defaults of Rails 6.1.
def set_cookie(name: NAME, value: ID, key_digest: nil, digest: nil, metadata: true, serializer: :json,
               salt: 'signed cookie', permanent: true, expires: nil)
  options = { iterations: 1000 }
  options[:hash_digest_class] = OpenSSL::Digest.const_get(key_digest) if key_digest
  keys = ActiveSupport::CachingKeyGenerator.new(ActiveSupport::KeyGenerator.new(SECRET, **options))
  request = ActionDispatch::Request.new(
    Rack::MockRequest.env_for('https://app.example.com/').merge(
      'action_dispatch.key_generator' => keys,
      'action_dispatch.signed_cookie_salt' => salt,
      'action_dispatch.signed_cookie_digest' => digest,
      'action_dispatch.cookies_serializer' => serializer,
      'action_dispatch.use_cookies_with_metadata' => metadata,
      'action_dispatch.cookies_rotations' => ActiveSupport::Messages::RotationConfiguration.new,
      'action_dispatch.cookies_same_site_protection' => proc { :lax }
    )
  )
  jar = permanent ? request.cookie_jar.permanent : request.cookie_jar
  jar.signed[name] = { value: value, secure: true, domain: :all, httponly: true, expires: expires }.compact
  response = ActionDispatch::Response.new
  request.cookie_jar.write(response)
  Array(response.headers['Set-Cookie']).first
end

cases = {
  'as the gem sets it' => {},
  'without metadata' => { metadata: false },
  'signature by SHA-256' => { digest: 'SHA256' },
  'signature by SHA-512' => { digest: 'SHA512' },
  'another salt' => { salt: 'pepper' },
  'marshalled' => { serializer: :marshal },
  'marshalled, without metadata' => { serializer: :marshal, metadata: false },
  'expires in 2100' => { permanent: false, expires: Time.utc(2100, 1, 2, 3, 4, 5) },
  'expired in 2001' => { permanent: false, expires: Time.utc(2001, 1, 2, 3, 4, 5) },
  'expires in 2100, without purpose' => { permanent: false, metadata: false, expires: Time.utc(2100, 1, 2, 3, 4, 5) },
  'of a namespaced experiment' => { name: 'gitlab_namespaced/stub_id' },
  'an empty text' => { value: '' },
  'a number' => { value: 7 },
  'letters that JSON escapes' => { value: "<ü&\u2028>\"\\" }
}
if ActiveSupport::KeyGenerator.respond_to?(:hash_digest_class) # Rails 7.0
  cases['key by SHA-256'] = { key_digest: 'SHA256' }
  cases['key and signature by SHA-256'] = { key_digest: 'SHA256', digest: 'SHA256' }
end

cases.each do |title, options|
  puts JSON.generate(rails: ActionPack.version.to_s, title: title, name: options[:name] || NAME,
                     value: options[:value] || ID, set_cookie: set_cookie(**options))
end
